/* Devices passed through, of a vm_config: what the operator writes, and back. See include/vm_config.h. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

int vm_config_parse_vfio(const char *arg, struct vm_vfio *vfio, struct vmb_err *err)
{
	struct vm_vfio result = {0};
	char address[VM_PCI_ADDRESS_SIZE] = "";
	size_t n = strcspn(arg, ",");

	if (n < sizeof(address))
		memcpy(address, arg, n);
	if (!parse_address(address, &result))
		return vmb_err_set(err, EINVAL,
				   "\"%.60s\" is no address of a PCI function; expected one like "
				   "0000:01:00.0[,rom=off]. `vmboot list --pci` lists them.",
				   arg);
	if (strcmp(arg + n, ",rom=off") == 0)
		result.no_rom = 1;
	else if (arg[n] && strcmp(arg + n, ",rom=on") != 0)
		return vmb_err_set(
			err, EINVAL,
			"Device %s: unknown option \"%.60s\"; known are rom=on and rom=off.",
			result.address, arg + n + 1);
	*vfio = result;
	return 0;
}

char *vm_config_format_vfio(const struct vm_vfio *vfio, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", vfio->address, vfio->no_rom ? ",rom=off" : "");
	return buf;
}

int vm_config_check_vfio(const struct vm_config *config, unsigned int n, struct vmb_err *err)
{
	const struct vm_vfio *vfio = &config->vfio[n];
	struct vm_vfio parsed = {0};

	if (!memchr(vfio->address, '\0', sizeof(vfio->address)) ||
	    !parse_address(vfio->address, &parsed) || strcmp(parsed.address, vfio->address) != 0)
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
