/* Devices passed through, of a vm_config: what the operator writes, and back. See include/vm_config.h. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "vm_config.h"

/* Hexadecimal digits at *TEXT, MIN to MAX of them, then END; moves *TEXT behind END. */
static bool take_hex(const char **text, int min, int max, char end, unsigned long *ret_value)
{
	unsigned long value = 0;
	int n = 0;

	for (; n < max && isxdigit((unsigned char)**text); n++, (*text)++) {
		int c = tolower((unsigned char)**text);

		value = value * 16 + (unsigned long)(isdigit(c) ? c - '0' : c - 'a' + 10);
	}
	if (n < min || **text != end)
		return false;
	if (end)
		(*text)++;
	*ret_value = value;
	return true;
}

/* "0000:01:00.0", or without the domain. */
static bool parse_address(const char *text, struct vm_vfio *vfio)
{
	unsigned long domain = 0, bus, slot, function;
	const char *at = text;

	if (strchr(text, ':') != strrchr(text, ':') && !take_hex(&at, 4, 8, ':', &domain))
		return false;
	if (!take_hex(&at, 2, 2, ':', &bus) || !take_hex(&at, 2, 2, '.', &slot) ||
	    !take_hex(&at, 1, 1, '\0', &function) || slot > 0x1F || function > 7)
		return false;
	snprintf(vfio->address, sizeof(vfio->address), "%04lx:%02lx:%02lx.%lx", domain & 0xFFFFFFFF,
		 bus & 0xFF, slot, function);
	return true;
}

bool vm_config_is_pci_serial(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || (text[n] && strchr("._-", text[n])))
		n++;
	return n > 0 && n < VM_PCI_SERIAL_SIZE && text[n] == '\0';
}

/* WORD is one of the options. */
static bool take_option(const char *word, struct vm_vfio *vfio)
{
	unsigned long vendor, device;
	const char *at = word + 3;

	if (strncmp(word, "id=", 3) == 0) {
		if (!take_hex(&at, 4, 4, ':', &vendor) || !take_hex(&at, 4, 4, '\0', &device) ||
		    vendor == 0)
			return false;
		vfio->vendor = (uint16_t)vendor;
		vfio->device = (uint16_t)device;
		return true;
	}
	if (strncmp(word, "serial=", 7) == 0)
		return vm_config_is_pci_serial(word + 7) &&
		       text_copy(vfio->serial, sizeof(vfio->serial), word + 7) == 0;
	vfio->no_rom = strcmp(word, "rom=off") == 0;
	return vfio->no_rom || strcmp(word, "rom=on") == 0;
}

int vm_config_parse_vfio(const char *arg, struct vm_vfio *vfio, struct vmb_err *err)
{
	struct vm_vfio result = {0};
	char address[VM_PCI_ADDRESS_SIZE] = "", word[7 + VM_PCI_SERIAL_SIZE];
	size_t n = strcspn(arg, ",");
	const char *at = arg + n;

	if (n < sizeof(address))
		memcpy(address, arg, n);
	if (!parse_address(address, &result))
		return vmb_err_set(err, EINVAL,
				   "\"%.60s\" is no address of a PCI function; expected one like "
				   "0000:01:00.0[,id=144d:a80a][,rom=off]. `vmboot list --pci` "
				   "lists them.",
				   arg);
	while (*at++ == ',') {
		n = strcspn(at, ",");
		snprintf(word, sizeof(word), "%.*s", (int)n, at);
		if (n >= sizeof(word) || !take_option(word, &result))
			return vmb_err_set(err, EINVAL,
					   "Device %s: unknown option \"%.60s\"; known are "
					   "id=VENDOR:DEVICE (in hexadecimal digits, as `vmboot "
					   "list --pci` has them), serial=NUMBER, rom=on and "
					   "rom=off.",
					   result.address, at);
		at += n;
	}
	*vfio = result;
	return 0;
}

char *vm_config_format_vfio(const struct vm_vfio *vfio, char *buf, size_t size)
{
	char id[16] = "";

	if (vfio->vendor)
		snprintf(id, sizeof(id), ",id=%04x:%04x", vfio->vendor, vfio->device);
	snprintf(buf, size, "%s%s%s%s%s", vfio->address, id, vfio->serial[0] ? ",serial=" : "",
		 vfio->serial, vfio->no_rom ? ",rom=off" : "");
	return buf;
}

int vm_config_check_vfio(const struct vm_config *config, unsigned int n, struct vmb_err *err)
{
	const struct vm_vfio *vfio = &config->vfio[n];
	struct vm_vfio parsed = {0};

	if (!memchr(vfio->address, '\0', sizeof(vfio->address)) ||
	    !memchr(vfio->serial, '\0', sizeof(vfio->serial)) ||
	    !parse_address(vfio->address, &parsed) || strcmp(parsed.address, vfio->address) != 0 ||
	    (vfio->serial[0] && !vm_config_is_pci_serial(vfio->serial)))
		return vmb_err_set(
			err, EINVAL,
			"The configuration holds a PCI device that was not named by vmboot.");
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(config->vfio[i].address, vfio->address) == 0)
			return vmb_err_set(err, EINVAL, "Device %s is named twice. Name it once.",
					   vfio->address);
	return 0;
}

int vm_config_add_vfio(struct vm_config *config, const char *arg, struct vmb_err *err)
{
	struct vm_vfio vfio = {0};
	int rc;

	if (config->vfio_count >= VM_MAX_VFIO)
		return vmb_err_set(err, EINVAL, "There are more than %d PCI devices. Pass fewer.",
				   VM_MAX_VFIO);
	rc = vm_config_parse_vfio(arg, &vfio, err);
	if (rc == 0)
		config->vfio[config->vfio_count++] = vfio;
	return rc;
}
