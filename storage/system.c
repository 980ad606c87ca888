/*
 * See storage/system.h. Specs: os-release(5); UAPI group's Boot Loader Specification (loader/entries,
 * unified kernel images in EFI/Linux); UEFI 2.10 section 3.5.1.1 (EFI/BOOT/BOOTX64.EFI).
 *
 * What is read comes from a disk that may be hostile: sizes are bounded, texts are cut at line ends
 * and stay raw; who shows them escapes them.
 */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "probe_proto.h"
#include "text.h"

#define TEXT_MAX	16384 /* of a text file */
#define PE_HEAD_MAX	4096
#define PE_MAX_SECTIONS 96 /* what the Windows loader takes */
#define MAX_NAMES	32 /* of a directory, looked into */

struct look {
	int root;
	const struct storage_report *report;
	void *ctx;
	unsigned int count;
	char known[PROBE_MAX_SYSTEMS][STORAGE_SYSTEM_SIZE];
};

/* ---- reporting, each text once ---- */

__attribute__((format(printf, 2, 3))) static void say(struct look *look, const char *fmt, ...)
{
	struct storage_system system = {0};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(system.text, sizeof(system.text), fmt, ap);
	va_end(ap);
	for (unsigned int i = 0; i < look->count; i++)
		if (strcmp(look->known[i], system.text) == 0)
			return;
	if (look->count == PROBE_MAX_SYSTEMS)
		return;
	text_copy(look->known[look->count++], STORAGE_SYSTEM_SIZE, system.text);
	look->report->system(look->ctx, &system);
}

/* ---- reading ---- */

static bool has_file(const struct look *look, const char *path)
{
	struct stat st;
	int fd = copy_open_in(look->root, path, O_RDONLY);
	bool is_file;

	if (fd < 0)
		return false;
	is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	close(fd);
	return is_file;
}

/* Up to SIZE - 1 bytes from OFFSET of the regular file PATH, terminated. How many, or -errno. */
static ssize_t read_part(const struct look *look, const char *path, uint64_t offset, char *buf,
			 size_t size)
{
	int fd = copy_open_in(look->root, path, O_RDONLY);
	struct stat st;
	ssize_t n = -EINVAL;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && offset <= INT64_MAX) {
		n = pread(fd, buf, size - 1, (off_t)offset);
		n = n < 0 ? -errno : n;
	}
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* Calls FN with each name in directory PATH that WANTED lets through, sorted, at most MAX_NAMES. */
static void each_name(struct look *look, const char *path, bool (*wanted)(const char *name),
		      void (*fn)(struct look *look, const char *path, const char *name))
{
	char *names[MAX_NAMES];
	unsigned int count = 0;
	int fd = copy_open_in(look->root, path, O_RDONLY | O_DIRECTORY);

	if (fd >= 0)
		count = copy_list_names(fd, wanted, names, MAX_NAMES);
	for (unsigned int i = 0; i < count; i++) {
		fn(look, path, names[i]);
		free(names[i]);
	}
}

/* ---- text files ---- */

/* Copies the value of a line (up to END), without white space and quotes around it. */
static void take_value(const char *value, const char *end, char *buf, size_t size)
{
	size_t n;

	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && strchr(" \t\r", end[-1]))
		end--;
	if (end - value >= 2 && (*value == '"' || *value == '\'') && end[-1] == *value) {
		value++;
		end--;
	}
	n = (size_t)(end - value) < size ? (size_t)(end - value) : size - 1;
	memcpy(buf, value, n);
	buf[n] = '\0';
}

/*
 * The value of the first line "KEY SEPARATOR value" in SIZE bytes of TEXT. Separator ' ' is any
 * blank. 0, or -ENOENT when there is none or it is empty.
 */
static int find_line(const char *text, size_t size, const char *key, char separator, char *buf,
		     size_t buf_size)
{
	const char *end = text + size;
	size_t n = strlen(key);

	for (const char *line = text, *stop; line < end; line = stop + 1) {
		const char *at = line;

		stop = memchr(line, '\n', (size_t)(end - line));
		if (!stop)
			stop = end;
		while (at < stop && (*at == ' ' || *at == '\t'))
			at++;
		if ((size_t)(stop - at) <= n || memcmp(at, key, n) != 0)
			continue;
		at += n;
		if (separator == ' ' && *at != ' ' && *at != '\t')
			continue;
		while (separator != ' ' && at < stop && (*at == ' ' || *at == '\t'))
			at++;
		if (separator != ' ' && (at == stop || *at++ != separator))
			continue;
		take_value(at, stop, buf, buf_size);
		return buf[0] ? 0 : -ENOENT;
	}
	return -ENOENT;
}

int system_parse_os_release(const char *text, size_t size, char *buf, size_t buf_size)
{
	char name[64], version[64];

	if (find_line(text, size, "PRETTY_NAME", '=', buf, buf_size) == 0)
		return 0;
	if (find_line(text, size, "NAME", '=', name, sizeof(name)) < 0)
		return -ENOENT;
	if (find_line(text, size, "VERSION", '=', version, sizeof(version)) < 0)
		version[0] = '\0';
	snprintf(buf, buf_size, "%s%s%s", name, version[0] ? " " : "", version);
	return 0;
}

/* 0 when there is one below PREFIX. */
static int look_at_os_release(struct look *look, const char *prefix)
{
	/* The last one is a file system that holds only /usr. */
	static const char *const paths[] = {"/etc/os-release", "/usr/lib/os-release",
					    "/lib/os-release"};
	char text[TEXT_MAX], path[64], name[STORAGE_SYSTEM_SIZE];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s%s", prefix, paths[i]);
		n = read_part(look, path, 0, text, sizeof(text));
		if (n >= 0 && system_parse_os_release(text, (size_t)n, name, sizeof(name)) == 0) {
			say(look, "%s", name);
			return 0;
		}
	}
	return -ENOENT;
}

/* Where distributions put the root subvolume when the default one is the top of the file system. */
static void look_at_subvolumes(struct look *look)
{
	static const char *const subvolumes[] = {"/root", "/@", "/@rootfs"};

	for (size_t i = 0; i < sizeof(subvolumes) / sizeof(subvolumes[0]); i++)
		look_at_os_release(look, subvolumes[i]);
}

/* Debian's and Ubuntu's media have the first, Fedora's the second. */
static void look_at_media(struct look *look)
{
	char text[TEXT_MAX], name[STORAGE_SYSTEM_SIZE];
	ssize_t n = read_part(look, "/.disk/info", 0, text, sizeof(text));

	if (n > 0) {
		text[strcspn(text, "\r\n")] = '\0';
		say(look, "%s", text);
		return;
	}
	n = read_part(look, "/.treeinfo", 0, text, sizeof(text));
	if (n > 0 && find_line(text, (size_t)n, "name", '=', name, sizeof(name)) == 0)
		say(look, "%s installation medium", name);
	else if (has_file(look, "/sources/boot.wim"))
		say(look, "Windows installation medium");
}

/* ---- boot loaders ---- */

static bool is_conf(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && strcasecmp(name + n - 5, ".conf") == 0;
}

static void look_at_bls_entry(struct look *look, const char *path, const char *name)
{
	char file[320], text[TEXT_MAX], title[STORAGE_SYSTEM_SIZE];
	ssize_t n;

	snprintf(file, sizeof(file), "%s/%s", path, name);
	n = read_part(look, file, 0, text, sizeof(text));
	if (n >= 0 && find_line(text, (size_t)n, "title", ' ', title, sizeof(title)) == 0)
		say(look, "%s", title);
}

static uint32_t get_le(const uint8_t *bytes, size_t n)
{
	uint32_t value = 0;

	while (n-- > 0)
		value = value << 8 | bytes[n];
	return value;
}

int system_find_pe_section(const uint8_t *head, size_t size, const char *name, uint64_t *ret_offset,
			   uint64_t *ret_size)
{
	size_t pe, at;
	uint32_t count;

	if (size < 0x40 || memcmp(head, "MZ", 2) != 0)
		return -ENOENT;
	pe = get_le(head + 0x3C, 4);
	/* Signature and COFF header, then the optional header, then 40 bytes a section. */
	if (pe > size || size - pe < 24 || memcmp(head + pe, "PE\0\0", 4) != 0)
		return -ENOENT;
	count = get_le(head + pe + 6, 2);
	at = pe + 24 + get_le(head + pe + 20, 2);
	if (count > PE_MAX_SECTIONS)
		return -ENOENT;
	for (uint32_t i = 0; i < count; i++, at += 40) {
		uint32_t data, used;

		if (at > size || size - at < 40)
			return -ENOENT;
		if (strncmp((const char *)head + at, name, 8) != 0)
			continue;
		used = get_le(head + at + 8, 4); /* VirtualSize: without the padding */
		data = get_le(head + at + 16, 4);
		*ret_offset = get_le(head + at + 20, 4);
		*ret_size = used > 0 && used < data ? used : data;
		return 0;
	}
	return -ENOENT;
}

static bool is_efi(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcasecmp(name + n - 4, ".efi") == 0;
}

static void look_at_uki(struct look *look, const char *path, const char *name)
{
	char file[320], text[TEXT_MAX], title[STORAGE_SYSTEM_SIZE];
	uint64_t offset, size;
	ssize_t n;

	snprintf(file, sizeof(file), "%s/%s", path, name);
	n = read_part(look, file, 0, text, PE_HEAD_MAX + 1);
	if (n < 0 ||
	    system_find_pe_section((const uint8_t *)text, (size_t)n, ".osrel", &offset, &size) < 0)
		return;
	n = read_part(look, file, offset, text, size < TEXT_MAX ? (size_t)size + 1 : TEXT_MAX);
	if (n >= 0 && system_parse_os_release(text, (size_t)n, title, sizeof(title)) == 0)
		say(look, "%s (unified kernel image)", title);
}

/* Directories below EFI that are looked at by name, or hold no loader of a vendor's. */
static bool is_vendor(const char *name)
{
	static const char *const others[] = {"BOOT", "Microsoft", "Linux", "tools"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcasecmp(name, others[i]) == 0)
			return false;
	return name[0] != '.';
}

static void look_at_vendor(struct look *look, const char *path, const char *name)
{
	static const struct {
		const char *file, *loader;
	} loaders[] = {
		{"systemd-bootx64.efi", "systemd-boot"},
		{"refind_x64.efi", "rEFInd"},
		{"grubx64.efi", "GRUB"},
		{"shimx64.efi", "shim"},
	};
	char file[320];

	for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s/%s", path, name, loaders[i].file);
		if (!has_file(look, file))
			continue;
		if (i < 2)
			say(look, "%s", loaders[i].loader);
		else
			say(look, "%s of %s", loaders[i].loader, name);
		return;
	}
}

static bool has_any(const struct look *look, const char *const *paths)
{
	for (; *paths; paths++)
		if (has_file(look, *paths))
			return true;
	return false;
}

static void look_at_loaders(struct look *look)
{
	/* FAT does not care about case; ISO 9660 and UDF do. */
	static const char *const removable[] = {"/EFI/BOOT/BOOTX64.EFI", "/EFI/boot/bootx64.efi",
						"/efi/boot/bootx64.efi", NULL};
	static const char *const windows[] = {"/EFI/Microsoft/Boot/bootmgfw.efi",
					      "/efi/microsoft/boot/bootmgfw.efi", NULL};
	static const char *const grub[] = {"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg",
					   "/grub/grub.cfg", "/grub2/grub.cfg", NULL};

	each_name(look, "/loader/entries", is_conf, look_at_bls_entry);
	each_name(look, "/boot/loader/entries", is_conf, look_at_bls_entry);
	each_name(look, "/EFI/Linux", is_efi, look_at_uki);
	if (has_any(look, windows))
		say(look, "Windows Boot Manager");
	each_name(look, "/EFI", is_vendor, look_at_vendor);
	if (has_any(look, removable))
		say(look, "boot loader BOOTX64.EFI");
	/* Beside a system it would say nothing new. */
	if (look->count == 0 && has_any(look, grub))
		say(look, "GRUB menu");
}

void system_look(int root, const char *fstype, const struct storage_report *report, void *ctx)
{
	struct look look = {.root = root, .report = report, .ctx = ctx};

	if (look_at_os_release(&look, "") < 0 && strcmp(fstype, "btrfs") == 0)
		look_at_subvolumes(&look);
	if (strcmp(fstype, "ntfs") == 0 && has_file(&look, "/Windows/System32/ntoskrnl.exe"))
		say(&look, "Windows");
	if (strcmp(fstype, "iso9660") == 0 || strcmp(fstype, "udf") == 0 ||
	    strcmp(fstype, "vfat") == 0)
		look_at_media(&look);
	look_at_loaders(&look);
}
