/* Disks and firmware of the fake daemon; included by fake_daemon.h. */
#ifndef VMB_TESTS_FAKE_LISTS_H
#define VMB_TESTS_FAKE_LISTS_H

static struct menu_device fake_disk(const char *name, const char *transport, const char *model,
				    const char *serial, uint64_t size)
{
	struct menu_device d = {.size = size, .logical_block = 512, .state = MENU_DEVICE_READY};

	snprintf(d.name, sizeof(d.name), "%s", name);
	snprintf(d.path, sizeof(d.path), "/dev/%s", name);
	snprintf(d.transport, sizeof(d.transport), "%s", transport);
	snprintf(d.model, sizeof(d.model), "%s", model);
	snprintf(d.serial, sizeof(d.serial), "%s", serial);
	return d;
}

static struct menu_device fake_part(const char *parent, const char *name, const char *fstype,
				    const char *label, uint64_t size)
{
	struct menu_device d = fake_disk(name, "", "", "", size);

	snprintf(d.parent, sizeof(d.parent), "%s", parent);
	snprintf(d.fstype, sizeof(d.fstype), "%s", fstype);
	snprintf(d.label, sizeof(d.label), "%s", label);
	snprintf(d.uuid, sizeof(d.uuid), "4a5c-11ee");
	return d;
}

#define FAKE_SHA256_1 "0123456789abcdef1111111111111111"
#define FAKE_SHA256_2 "22222222222222223333333333333fed"

static struct menu_firmware fake_firmware(const char *device, const char *path, int usable,
					  const char *reason)
{
	struct menu_firmware fw = {.size = 4 << 20, .usable = (uint8_t)usable};

	snprintf(fw.device, sizeof(fw.device), "%s", device);
	snprintf(fw.path, sizeof(fw.path), "%s", path);
	snprintf(fw.kind, sizeof(fw.kind), "%s", usable ? "PVH ELF" : "flash image");
	snprintf(fw.version, sizeof(fw.version), "%s", usable ? "edk2-2026.08" : "");
	snprintf(fw.reason, sizeof(fw.reason), "%s", reason);
	if (usable)
		snprintf(fw.sha256, sizeof(fw.sha256), FAKE_SHA256_1 FAKE_SHA256_2);
	return fw;
}

/* The list in parts of two, as a daemon with long lists sends it. */
static void fake_send_list(struct fake *f, uint32_t type, const void *items, size_t item,
			   unsigned int count)
{
	static uint8_t buf[sizeof(struct menu_list) + 2 * sizeof(struct menu_device)];
	unsigned int at = 0;

	do {
		unsigned int n = count - at < 2 ? count - at : 2;
		struct menu_list list = {.count = n, .first = at == 0, .last = at + n == count, .live = 1,
				 .scanning = f->scene == FAKE_SCANNING && f->seen->scan_cancel == 0};

		memcpy(buf, &list, sizeof(list));
		if (n > 0)
			memcpy(buf + sizeof(list), (const char *)items + at * item, n * item);
		fake_send(f, type, buf, sizeof(list) + n * item);
		at += n;
	} while (at < count);
}

static void fake_send_normal_lists(struct fake *f)
{
	struct menu_device all[11], *d = all + 1;
	struct menu_firmware fw[3];
	bool plugged = f->scene == FAKE_PLUG && f->seen->rescan % 2;
	unsigned int count = 9;

	all[0] = fake_disk("aoe0", "usb", "Just plugged in", "P1", 8ULL << 30);
	d[0] = fake_disk("nvme0n1", "nvme", "Samsung SSD 980 500GB", "S64DNX0R401234", 500107862016);
	d[1] = fake_part("nvme0n1", "nvme0n1p1", "vfat", "EFI", 512 << 20);
	d[2] = fake_part("nvme0n1", "nvme0n1p2", "xfs", "system", 42949672960);
	d[3] = fake_part("nvme0n1", "nvme0n1p3", "crypto_LUKS", "", 400ULL << 30);
	d[4] = fake_disk("sda", "sata", "WDC WD20EFRX-68E", "WD-WCC4M0123456", 2000398934016);
	d[5] = fake_part("sda", "sda1", "ext4", "data", 2000397868544);
	d[5].in_use = 1;
	snprintf(d[5].use, sizeof(d[5].use), "mounted on /data");
	d[6] = fake_disk("sdb", "usb", "SanDisk Ultra", "4C530001", 32ULL << 30);
	d[6].removable = 1;
	if (getenv("FAKE_FAILING")) {
		d[6].failing = 1;
		snprintf(d[6].health, sizeof(d[6].health), "failing: unreliable");
	}
	d[7] = fake_disk("sdc", "sata", "ST4000DM", "ZDH1234", 4ULL << 40);
	d[7].state = MENU_DEVICE_FAILED;
	snprintf(d[7].note, sizeof(d[7].note), "no answer for 10 s, skipped");
	if (f->scene == FAKE_SCANNING) {
		d[7].state = MENU_DEVICE_SCANNING;
		d[7].scanning_since = loop_now_ms() - 4000;
		d[7].note[0] = '\0';
	}
	if (f->seen->scan_cancel) {
		d[7].state = MENU_DEVICE_SKIPPED;
		snprintf(d[7].note, sizeof(d[7].note), "the scan was cancelled, r looks again");
	}
	d[8] = fake_disk("sr0", "sata", "DVDRAM", "", 0);
	if (getenv("FAKE_IMAGE")) {
		d[8] = fake_disk("rescue.iso", "file", "", "", 1 << 20);
		d[8].kind = MENU_DEVICE_IMAGE;
		snprintf(d[8].fstype, sizeof(d[8].fstype), "ext4");
		snprintf(d[8].label, sizeof(d[8].label), "RESCUE");
	}
	fw[0] = fake_firmware("/dev/nvme0n1p2", "/boot/CLOUDHV.fd", 1, "");
	fw[1] = fake_firmware("", "/usr/share/cloud-hypervisor/CLOUDHV.fd", 1, "");
	fw[2] = fake_firmware("", "/usr/share/OVMF/OVMF_CODE_4M.fd", 0,
			      "It is a flash image, which needs another platform. Use CLOUDHV.fd.");
	if (f->scene == FAKE_LOGGED) {
		memmove(&d[8], &d[7], 2 * sizeof(d[0]));
		d[7] = fake_part("sdb", "sdb1", "vfat", "STICK", 32ULL << 30);
		count++;
	}
	fake_send_list(f, MENU_DEVICES, plugged ? all : d, sizeof(d[0]), count + plugged);
	fake_send_list(f, MENU_FIRMWARES, fw, sizeof(fw[0]), getenv("FAKE_NO_FIRMWARE") ? 0 : 3);
}

/* What a hostile disk may be called: escapes that retitle, clear, answer; bidi marks; wide text. */
#define FAKE_EVIL "\033]0;owned\007\033[2J\033[31mEVIL\xE2\x80\xAE\xC2\x9B" "5m\x80\xFF"

static void fake_send_hostile_lists(struct fake *f)
{
	struct menu_device d[3];
	struct menu_firmware fw[1];

	d[0] = fake_disk("sda", "usb", FAKE_EVIL, FAKE_EVIL, 1ULL << 63);
	memset(d[0].serial, 'S', sizeof(d[0].serial)); /* not terminated */
	d[1] = fake_part("sda", "sda1", FAKE_EVIL, "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5"
			 "\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", 1);
	d[2] = fake_part("sda", "sda2", "vfat", FAKE_EVIL, 0);
	fw[0] = fake_firmware("/dev/sda1", "/" FAKE_EVIL "/" FAKE_EVIL, 1, "");
	fake_send_list(f, MENU_DEVICES, d, sizeof(d[0]), 3);
	fake_send_list(f, MENU_FIRMWARES, fw, sizeof(fw[0]), 1);
}

static void fake_send_many_lists(struct fake *f)
{
	struct menu_device *d = calloc(60, sizeof(*d));
	struct menu_firmware fw = fake_firmware("/dev/vd7", "/CLOUDHV.fd", 1, "");
	char name[16];

	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "vd%d", i);
		d[i] = fake_disk(name, "virtio", "", name, 1ULL << 30);
	}
	fake_send_list(f, MENU_DEVICES, d, sizeof(*d), 60);
	fake_send_list(f, MENU_FIRMWARES, &fw, sizeof(fw), 1);
	free(d);
}

static void fake_send_lists(struct fake *f)
{
	if (f->scene == FAKE_EMPTY) {
		fake_send_list(f, MENU_DEVICES, NULL, sizeof(struct menu_device), 0);
		fake_send_list(f, MENU_FIRMWARES, NULL, sizeof(struct menu_firmware), 0);
	} else if (f->scene == FAKE_HOSTILE) {
		fake_send_hostile_lists(f);
	} else if (f->scene == FAKE_MANY) {
		fake_send_many_lists(f);
	} else {
		fake_send_normal_lists(f);
	}
}

#endif
