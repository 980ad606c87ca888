/* Network cards of a vm_config: what the operator writes, and back. See include/vm_config.h. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "vm_config.h"

#define USAGE                                                                  \
	"tap=NAME, bridge=NAME or macvtap=NAME, then [,mac=XX:XX:XX:XX:XX:XX]" \
	"[,queues=N][,vhost=on|off|auto]"

static const char *const kinds[] = {
	[VM_NET_TAP] = "tap",
	[VM_NET_BRIDGE] = "bridge",
	[VM_NET_MACVTAP] = "macvtap",
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static const char *const vhosts[] = {
	[VM_NET_VHOST_AUTO] = "auto",
	[VM_NET_VHOST_ON] = "on",
	[VM_NET_VHOST_OFF] = "off",
};
#define VHOST_COUNT (sizeof(vhosts) / sizeof(vhosts[0]))

/* Which of COUNT words is TEXT, -1: none. */
static int find_word(const char *const *words, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], text) == 0)
			return (int)i;
	return -1;
}

static bool is_zero(const uint8_t *mac)
{
	static const uint8_t zero[VM_NET_MAC_SIZE];

	return memcmp(mac, zero, sizeof(zero)) == 0;
}

/* As Linux itself sees names, and without what would not be one word here. */
static bool name_ok(const char *name)
{
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if (*name <= ' ' || *name >= 0x7F || *name == '/' || *name == ':' || *name == ',' ||
		    *name == '%')
			return false;
	return true;
}

int vm_config_check_net(const struct vm_net *net, struct vmb_err *err)
{
	if (net->kind >= KIND_COUNT || net->vhost >= VHOST_COUNT ||
	    !memchr(net->name, '\0', sizeof(net->name)))
		return vmb_err_set(
			err, EINVAL,
			"The configuration holds a network card that was not made by vmboot.");
	if (!name_ok(net->name))
		return vmb_err_set(
			err, EINVAL,
			"\"%s\" is no name of a network interface. `ip link` lists them.",
			net->name);
	if (net->queues > VM_MAX_NET_QUEUES)
		return vmb_err_set(
			err, EINVAL,
			"Network %s: %u pairs of queues are more than vmboot supports (%d).",
			net->name, net->queues, VM_MAX_NET_QUEUES);
	if (net->mac[0] & 1)
		return vmb_err_set(
			err, EINVAL,
			"Network %s: a MAC address whose first byte is odd (%02x) is one "
			"of a group. Take an even one, for example 02.",
			net->name, net->mac[0]);
	return 0;
}

/* "52:54:00:12:34:56". False: it is none. */
static bool parse_mac(const char *text, uint8_t *mac)
{
	uint8_t result[VM_NET_MAC_SIZE];
	unsigned int value;

	for (int i = 0; i < VM_NET_MAC_SIZE; i++) {
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
		    text[2] != (i + 1 < VM_NET_MAC_SIZE ? ':' : '\0') ||
		    sscanf(text, "%2x", &value) != 1)
			return false;
		result[i] = (uint8_t)value;
		text += 3;
	}
	if (is_zero(result))
		return false;
	memcpy(mac, result, sizeof(result));
	return true;
}

static int set_kind(struct vm_net *net, int kind, const char *name, struct vmb_err *err)
{
	if (net->name[0])
		return vmb_err_set(err, EINVAL,
				   "Network %s: one card is joined to one thing only. Give --net "
				   "once for each card.",
				   net->name);
	if (text_copy(net->name, sizeof(net->name), name) < 0 || !name_ok(name))
		return vmb_err_set(
			err, EINVAL,
			"\"%.60s\" is no name of a network interface. `ip link` lists them.", name);
	net->kind = (uint8_t)kind;
	return 0;
}

/* One KEY=VALUE. */
static int parse_option(const char *key, const char *value, struct vm_net *net, struct vmb_err *err)
{
	int word = find_word(kinds, KIND_COUNT, key);
	uint64_t number;

	if (word >= 0)
		return set_kind(net, word, value, err);
	if (strcmp(key, "mac") == 0) {
		if (!parse_mac(value, net->mac))
			return vmb_err_set(
				err, EINVAL,
				"\"%.40s\" is no MAC address. Give six bytes in hex, for "
				"example mac=02:00:00:12:34:56.",
				value);
	} else if (strcmp(key, "queues") == 0) {
		if (text_parse_uint(value, 1, VM_MAX_NET_QUEUES, &number) < 0)
			return vmb_err_set(err, EINVAL,
					   "A network card cannot have \"%.40s\" pairs of queues; "
					   "give queues=1 to queues=%d.",
					   value, VM_MAX_NET_QUEUES);
		net->queues = (uint8_t)number;
	} else if (strcmp(key, "vhost") == 0) {
		word = find_word(vhosts, VHOST_COUNT, value);
		if (word < 0)
			return vmb_err_set(err, EINVAL,
					   "vhost=%.40s is not known; give on, off or auto.",
					   value);
		net->vhost = (uint8_t)word;
	} else {
		return vmb_err_set(err, EINVAL,
				   "--net: unknown option \"%.40s\"; a network card is " USAGE ".",
				   key);
	}
	return 0;
}

int vm_config_parse_net(const char *arg, struct vm_net *net, struct vmb_err *err)
{
	struct vm_net result = {0};
	char text[VM_NET_TEXT_SIZE], *at = text, *option;
	int rc;

	if (text_copy(text, sizeof(text), arg) < 0)
		return vmb_err_set(err, EINVAL,
				   "--net: \"%.60s...\" is too long; a network card is " USAGE ".",
				   arg);
	while ((option = strsep(&at, ","))) {
		char *value = strchr(option, '=');

		if (!value)
			return vmb_err_set(
				err, EINVAL,
				"--net: \"%.40s\" is not understood; a network card is " USAGE ".",
				option);
		*value++ = '\0';
		rc = parse_option(option, value, &result, err);
		if (rc < 0)
			return rc;
	}
	if (result.name[0] == '\0')
		return vmb_err_set(
			err, EINVAL,
			"--net does not say what the network card is joined to; give " USAGE ".");
	rc = vm_config_check_net(&result, err);
	if (rc == 0)
		*net = result;
	return rc;
}

char *vm_config_format_net(const struct vm_net *net, char *buf, size_t size)
{
	char mac[32] = "", queues[16] = "", vhost[16] = "";
	const uint8_t *m = net->mac;

	if (!is_zero(m))
		snprintf(mac, sizeof(mac), ",mac=%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
			 m[3], m[4], m[5]);
	if (net->queues)
		snprintf(queues, sizeof(queues), ",queues=%u", net->queues);
	if (net->vhost)
		snprintf(vhost, sizeof(vhost), ",vhost=%s", vhosts[net->vhost % VHOST_COUNT]);
	snprintf(buf, size, "%s=%s%s%s%s", kinds[net->kind % KIND_COUNT], net->name, mac, queues,
		 vhost);
	return buf;
}

int vm_config_add_net(struct vm_config *config, const char *arg, struct vmb_err *err)
{
	struct vm_net net = {0};
	int rc;

	if (config->net_count >= VM_MAX_NETS)
		return vmb_err_set(err, EINVAL,
				   "There are more than %d network cards. Attach fewer.",
				   VM_MAX_NETS);
	rc = vm_config_parse_net(arg, &net, err);
	if (rc == 0)
		config->nets[config->net_count++] = net;
	return rc;
}
