/* Entries, settings, countdown and network interfaces of the fake daemon; included by fake_daemon.h. */
#ifndef VMB_TESTS_FAKE_ENTRIES_H
#define VMB_TESTS_FAKE_ENTRIES_H

static struct menu_entry fake_entry(const char *id, const char *title, const char *group,
				    const char *disk)
{
	struct menu_entry e = {.writable = 1, .autostart = 1, .tries = 3};

	snprintf(e.id, sizeof(e.id), "%s", id);
	snprintf(e.group, sizeof(e.group), "%s", group);
	snprintf(e.source, sizeof(e.source), "/etc/vmboot/entries/%s.conf", id);
	snprintf(e.console.keys, sizeof(e.console.keys), "auto");
	snprintf(e.console.charset, sizeof(e.console.charset), "auto");
	snprintf(e.config.title, sizeof(e.config.title), "%s", title);
	snprintf(e.config.firmware_device, sizeof(e.config.firmware_device), "/dev/nvme0n1p2");
	snprintf(e.config.firmware_path, sizeof(e.config.firmware_path), "/boot/CLOUDHV.fd");
	snprintf(e.config.vars_path, sizeof(e.config.vars_path), "/var/lib/vmboot/%s.vars", id);
	e.config.memory = 4ULL << 30;
	e.config.cpus = 4;
	if (disk[0])
		snprintf(e.config.disks[e.config.disk_count++].path, VM_PATH_SIZE, "%s", disk);
	return e;
}

/* Debian (the default) and a copy that writes nothing, Windows on a disk in use, one that fails, one without a disk. */
static void fake_make_entries(struct fake *f)
{
	f->entries[0] = fake_entry("debian", "Debian GNU/Linux 12", "nvme0n1", "/dev/nvme0n1");
	f->entries[0].is_default = 1;
	if (getenv("FAKE_MOVED")) {
		/* Of what was chosen the first one is elsewhere, and the second one nowhere. */
		f->entries[0].config.vfio_count = 2;
		f->entries[0].config.vfio[0] = (struct vm_vfio){
			.address = "0000:01:00.0", .vendor = 0x10de, .device = 0x1b80};
		f->entries[0].config.vfio[1] = (struct vm_vfio){.address = "0000:44:00.0"};
	}
	f->entries[1] = fake_entry("debian-ro", "Debian (no writes)", "nvme0n1", "/dev/nvme0n1");
	f->entries[1].config.disks[0].overlay = 1;
	snprintf(f->entries[1].console.keys, sizeof(f->entries[1].console.keys), "pc-ansi");
	snprintf(f->entries[1].console.charset, sizeof(f->entries[1].console.charset), "cp437");
	f->entries[2] = fake_entry("windows", "Windows (EFI)", "sda", "/dev/sda");
	f->entries[3] = fake_entry("installer", "Installer", "sdb", "/dev/sdb");
	f->entries[3].failed = 2;
	f->entries[3].config.disks[0].read_only = 1;
	f->entries[3].config.memory = 2ULL << 30;
	f->entries[3].config.net_count = 1;
	f->entries[3].config.nets[0].kind = VM_NET_BRIDGE;
	snprintf(f->entries[3].config.nets[0].name, VM_NET_NAME_SIZE, "br0");
	f->entries[4] = fake_entry("setup", "Firmware setup only", "", "");
	f->entries[5] = fake_entry("gone", "Backup", "", "serial:ZC1000");
	snprintf(f->entries[5].problem, sizeof(f->entries[5].problem),
		 "the disk serial:ZC1000 is not connected.");
	f->entry_count = 6;
}

static bool fake_has_entries(const struct fake *f)
{
	return f->scene == FAKE_ENTRIES || f->scene == FAKE_COUNTDOWN ||
	       f->scene == FAKE_READ_ONLY || f->scene == FAKE_SLOW || f->scene == FAKE_PLUG;
}

static void fake_send_entries(struct fake *f)
{
	unsigned int at = 0;

	do {
		static uint8_t buf[sizeof(struct menu_list) + 2 * sizeof(struct menu_entry)];
		unsigned int n = f->entry_count - at < 2 ? f->entry_count - at : 2;
		struct menu_list list = {
			.count = n, .first = at == 0, .last = at + n == f->entry_count};

		memcpy(buf, &list, sizeof(list));
		memcpy(buf + sizeof(list), f->entries + at, n * sizeof(f->entries[0]));
		fake_send(f, MENU_ENTRIES, buf, sizeof(list) + n * sizeof(f->entries[0]));
		at += n;
	} while (at < f->entry_count);
}

static void fake_make_settings(struct fake *f)
{
	struct menu_settings *s = &f->settings;

	*s = (struct menu_settings){.timeout_s = 10,
				    .rearm_s = 30,
				    .shell_allowed = f->scene != FAKE_NO_SHELL,
				    .prefix_key = 0x1D,
				    .store_state = MENU_STORE_OK};
	snprintf(s->theme, sizeof(s->theme), "default");
	snprintf(s->store, sizeof(s->store), "/etc/vmboot");
	if (f->scene == FAKE_COUNTDOWN)
		s->hidden_menu = getenv("FAKE_HIDDEN") != NULL;
	if (f->scene == FAKE_LINE) {
		s->console_count = 2;
		s->consoles[0] = (struct menu_console_settings){.tty = "ttyS7", .rows = 50, .cols = 50};
		s->consoles[1] = (struct menu_console_settings){.baud = 9600, .rows = 33, .cols = 101};
		snprintf(s->consoles[1].tty, sizeof(s->consoles[1].tty), "%.15s", f->names[0]);
	}
	if (f->scene == FAKE_READ_ONLY) {
		s->store_state = MENU_STORE_READ_ONLY;
		snprintf(s->store, sizeof(s->store), "/dev/sda1");
		snprintf(s->store_text, sizeof(s->store_text), "read-only");
	} else if (f->scene == FAKE_EMPTY) {
		s->store_state = MENU_STORE_NONE;
		s->store[0] = '\0';
		s->problem_count = 2;
	}
}

static void fake_send_countdown(struct fake *f, uint32_t state, uint32_t seconds)
{
	struct menu_countdown c = {.state = state, .seconds = seconds};

	/* What a guest that has switched itself off leads to. */
	if (getenv("FAKE_FOLLOW"))
		c.power = MENU_POWER_OFF;

	snprintf(c.id, sizeof(c.id), "debian");
	snprintf(c.title, sizeof(c.title), "Debian GNU/Linux 12");
	if (getenv("FAKE_INSTEAD"))
		snprintf(c.text, sizeof(c.text), "%s", getenv("FAKE_INSTEAD"));
	fake_send(f, MENU_COUNTDOWN, &c, sizeof(c));
}

static void fake_greet_entries(struct fake *f)
{
	if (f->entry_count == 0 && fake_has_entries(f))
		fake_make_entries(f);
	if (f->settings.prefix_key == 0)
		fake_make_settings(f);
	fake_send_entries(f);
	fake_send(f, MENU_SETTINGS, &f->settings, sizeof(f->settings));
	if (f->scene == FAKE_COUNTDOWN && f->seen->pause == 0)
		fake_send_countdown(f, MENU_COUNTDOWN_RUNNING, 90);
}

static void fake_answer(struct fake *f, uint32_t kind, uint32_t type, const char *text)
{
	char buf[512];

	memcpy(buf, &type, sizeof(type));
	snprintf(buf + sizeof(type), sizeof(buf) - sizeof(type), "%s", text);
	fake_send(f, kind, buf, sizeof(type) + strlen(text));
}

static void fake_entry_save(struct fake *f, const void *body, size_t size)
{
	struct menu_entry_id id = {{0}};
	struct menu_entry *e = NULL;

	if (size != sizeof(f->seen->saved))
		_exit(3);
	memcpy(&f->seen->saved, body, size);
	f->seen->save++;
	if (f->scene == FAKE_SLOW)
		return;
	if (f->scene == FAKE_REFUSE) {
		fake_answer(f, MENU_REFUSED, MENU_ENTRY_SAVE, "The title is in use already.");
		return;
	}
	for (unsigned int i = 0; i < f->entry_count; i++)
		if (strcmp(f->entries[i].id, f->seen->saved.id) == 0)
			e = &f->entries[i];
	if (!e) {
		e = &f->entries[f->entry_count++];
		*e = fake_entry("new-entry", "", "nvme0n1", "");
	}
	e->config = f->seen->saved.config;
	e->tries = f->seen->saved.tries;
	e->autostart = f->seen->saved.autostart;
	snprintf(id.id, sizeof(id.id), "%s", e->id);
	fake_send_entries(f);
	fake_send(f, MENU_ENTRY_SAVED, &id, sizeof(id));
	if (f->scene == FAKE_READ_ONLY)
		fake_answer(f, MENU_NOTICE, MENU_ENTRY_SAVE,
			    "settings store read-only (/dev/sda1): change kept for this boot only");
}

static void fake_entry_name(struct fake *f, uint32_t type, const void *body, size_t size)
{
	struct menu_entry_name name;

	if (size != sizeof(name))
		_exit(3);
	memcpy(&name, body, size);
	for (unsigned int i = 0; i < f->entry_count; i++) {
		if (strcmp(f->entries[i].id, name.id) != 0)
			continue;
		if (type == MENU_ENTRY_COPY) {
			f->entries[f->entry_count] = f->entries[i];
			i = f->entry_count++;
			f->entries[i].is_default = 0;
			snprintf(f->entries[i].id, MENU_ID_SIZE, "copy");
		}
		snprintf(f->entries[i].config.title, sizeof(f->entries[i].config.title), "%s",
			 name.title);
		break;
	}
	fake_send_entries(f);
}

static void fake_entry_id(struct fake *f, uint32_t type, const void *body, size_t size)
{
	struct menu_entry_id id;

	if (size != sizeof(id))
		_exit(3);
	memcpy(&id, body, size);
	if (type == MENU_ENTRY_START) {
		snprintf(f->seen->started_id, sizeof(f->seen->started_id), "%s", id.id);
		for (unsigned int i = 0; i < f->entry_count && f->scene != FAKE_SLOW; i++)
			if (strcmp(f->entries[i].id, id.id) == 0) {
				fake_start(f, &f->entries[i].config, sizeof(struct vm_config));
				memcpy(f->vm.id, id.id, sizeof(f->vm.id));
				fake_send_vm(f);
			}
		return;
	}
	for (unsigned int i = 0; i < f->entry_count; i++) {
		bool same = strcmp(f->entries[i].id, id.id) == 0;

		if (type == MENU_ENTRY_SET_DEFAULT)
			f->entries[i].is_default = same;
		else if (type == MENU_ENTRY_SET_ONCE)
			f->entries[i].is_once = same;
		else if (same)
			memmove(&f->entries[i], &f->entries[i + 1],
				(--f->entry_count - i) * sizeof(f->entries[0]));
	}
	fake_send_entries(f);
}

static void fake_send_nics(struct fake *f)
{
	struct menu_nic nics[3] = {{.kind = MENU_NIC_PHYSICAL, .up = 1, .link = 1, .speed = 1000},
				   {.kind = MENU_NIC_BRIDGE, .up = 1, .link = 1},
				   {.kind = MENU_NIC_WIRELESS, .up = 0}};
	static uint8_t buf[sizeof(struct menu_list) + sizeof(nics)];
	struct menu_list list = {.count = f->scene == FAKE_EMPTY ? 0 : 3, .first = 1, .last = 1};

	snprintf(nics[0].name, sizeof(nics[0].name), "eth0");
	snprintf(nics[0].driver, sizeof(nics[0].driver), "e1000e");
	snprintf(nics[0].mac, sizeof(nics[0].mac), "52:54:00:12:34:56");
	snprintf(nics[0].master, sizeof(nics[0].master), "br0");
	snprintf(nics[1].name, sizeof(nics[1].name), "br0");
	snprintf(nics[1].address, sizeof(nics[1].address), "192.0.2.5/24");
	snprintf(nics[2].name, sizeof(nics[2].name), "wlan0");
	memcpy(buf, &list, sizeof(list));
	memcpy(buf + sizeof(list), nics, sizeof(nics));
	fake_send(f, MENU_NICS, buf, sizeof(list) + list.count * sizeof(nics[0]));
}

static struct menu_pci fake_pci(const char *address, int group, const char *class_name,
				const char *driver, enum menu_pci_verdict verdict, const char *use)
{
	struct menu_pci pci = {.vendor = 0x144d, .device = 0xa80a, .group = group, .numa = -1,
			       .verdict = (uint8_t)verdict};

	snprintf(pci.address, sizeof(pci.address), "%s", address);
	snprintf(pci.name, sizeof(pci.name), "Example Corporation Model %d", group);
	snprintf(pci.class_name, sizeof(pci.class_name), "%s", class_name);
	snprintf(pci.driver, sizeof(pci.driver), "%s", driver);
	snprintf(pci.use, sizeof(pci.use), "%s", use);
	return pci;
}

static void fake_send_pci(struct fake *f)
{
	struct menu_pci pcis[] = {
		fake_pci("0000:00:02.0", 1, "VGA controller", "i915", MENU_PCI_ASK,
			 "this is the console GPU: you will lose VGA, serial keeps working"),
		fake_pci("0000:01:00.0", 2, "3D controller", "nouveau", MENU_PCI_FREE, ""),
		fake_pci("0000:01:00.1", 2, "Audio device", "snd_hda_intel", MENU_PCI_FREE, ""),
		fake_pci("0000:02:00.0", 3, "NVMe controller", "nvme", MENU_PCI_REFUSED,
			 "nvme0n1p1 is mounted on /"),
		fake_pci("0000:00:1c.0", 4, "PCI bridge", "pcieport", MENU_PCI_BRIDGE, ""),
		fake_pci("0000:03:00.0", 4, "Ethernet controller", "e1000e", MENU_PCI_FREE, ""),
		fake_pci("0000:04:00.0", 4, "SATA controller", "ahci", MENU_PCI_FREE, ""),
		fake_pci("0000:00:1f.0", 9, "ISA bridge", "lpc_ich", MENU_PCI_BRIDGE, ""),
		fake_pci("0000:05:00.0", -1, "Serial controller", "", MENU_PCI_FREE, ""),
	};
	struct menu_pci_state state = {.usable = f->scene != FAKE_EMPTY};

	if (f->scene == FAKE_EMPTY)
		snprintf(state.text, sizeof(state.text),
			 "No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): passthrough off");
	snprintf(pcis[1].link, sizeof(pcis[1].link), "16.0 GT/s x16");
	snprintf(pcis[8].usb, sizeof(pcis[8].usb), "USB Keyboard, 0951:1666");
	pcis[1].numa = 1;
	pcis[6].vendor = 0x10de;
	pcis[6].device = 0x1b80;
	snprintf(pcis[5].physfn, sizeof(pcis[5].physfn), "0000:00:1f.6");
	snprintf(pcis[1].serial, sizeof(pcis[1].serial), "S64ENX0R123456");
	pcis[1].rom = 1;
	snprintf(pcis[3].makes, sizeof(pcis[3].makes), "nvme0n1");
	fake_send(f, MENU_PCI_STATE, &state, sizeof(state));
	fake_send_list(f, MENU_PCI, pcis, sizeof(pcis[0]), sizeof(pcis) / sizeof(pcis[0]));
}

static void fake_settings_save(struct fake *f, const void *body, size_t size)
{
	if (size != sizeof(f->settings))
		_exit(3);
	memcpy(&f->seen->settings, body, size);
	f->seen->settings_save++;
	f->settings = f->seen->settings;
	fake_send(f, MENU_SETTINGS, &f->settings, sizeof(f->settings));
}

static void fake_password(struct fake *f, const void *body, size_t size)
{
	if (f->scene == FAKE_REFUSE) {
		fake_answer(f, MENU_REFUSED, MENU_PASSWORD,
			    "Settings have to be signed on this machine (/etc/vmboot.trust), so the menu "
			    "cannot change them. Change the files, and sign them.");
		return;
	}
	snprintf(f->seen->password, sizeof(f->seen->password), "%.*s", (int)size, (const char *)body);
	f->seen->passwords++;
	f->settings.has_password = size > 0;
	fake_send(f, MENU_SETTINGS, &f->settings, sizeof(f->settings));
}

static void fake_entries_message(struct fake *f, uint32_t type, const void *body, size_t size)
{
	switch (type) {
	case MENU_ENTRY_SAVE: fake_entry_save(f, body, size); break;
	case MENU_ENTRY_COPY:
	case MENU_ENTRY_RENAME: fake_entry_name(f, type, body, size); break;
	case MENU_ENTRY_DELETE: f->seen->deleted++; /* fall through */
	case MENU_ENTRY_SET_DEFAULT:
	case MENU_ENTRY_SET_ONCE:
	case MENU_ENTRY_START: fake_entry_id(f, type, body, size); break;
	case MENU_SETTINGS_SAVE: fake_settings_save(f, body, size); break;
	case MENU_PASSWORD: fake_password(f, body, size); break;
	case MENU_COUNTDOWN_PAUSE:
		f->seen->pause++;
		fake_send_countdown(
			f, getenv("FAKE_FOLLOW") ? MENU_COUNTDOWN_OFF : MENU_COUNTDOWN_PAUSED, 30);
		break;
	case MENU_NICS_GET: fake_send_nics(f); break;
	case MENU_PCI_GET: fake_send_pci(f); break;
	default: break;
	}
}

#endif
