/*
 * The menu's entries, editor, pickers, checklist, settings and countdown as an operator has them: the real
 * program under a pseudo-terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "menu_session.h"

#define UP    "\033[A"
#define DOWN  "\033[B"
#define RIGHT "\033[C"
#define LEFT  "\033[D"
#define HOME  "\033[H"
#define END   "\033[F"
#define F10   "\033[21~"
#define CTRL_S "\023"
#define CTRL_U "\025"

static const struct session_options plain = {.term = "xterm-256color", .rows = 24, .cols = 80};

/* The editor's rows, from the first on. */
enum edit_row { START, SAVE, TITLE, BOOTS, FIRMWARE, VARS, DISKS, MEMORY, CPUS, NETS, PCI, KEYS, CHARSET, AUTO, TRIES };

static void go_down(struct session *s, int rows)
{
	for (int i = 0; i < rows; i++)
		session_keys(s, DOWN);
}

/* What an operator must see of TEXT beside its letters. */
enum look { LOOK_PLAIN, LOOK_SELECTED, LOOK_BAD, LOOK_STRONG };

static void assert_look(struct session *s, const char *text, enum look look, bool colour)
{
	VTermScreenCell cell;

	session_settle(s);
	cell = session_cell(s, text);
	switch (look) {
	case LOOK_SELECTED:
		/* Reverse, or black on cyan. */
		assert_true(colour ? VTERM_COLOR_IS_INDEXED(&cell.bg) && cell.bg.indexed.idx == 6
				   : cell.attrs.reverse);
		break;
	case LOOK_BAD:
		assert_true(cell.attrs.bold);
		assert_true(!colour || (VTERM_COLOR_IS_INDEXED(&cell.fg) && cell.fg.indexed.idx == 1));
		break;
	case LOOK_STRONG: assert_true(cell.attrs.bold); break;
	default: assert_false(cell.attrs.reverse || cell.attrs.bold); break;
	}
}

/* ---- every screen, at every size, in colour and without ---- */

static void look_at_main(struct session *s, bool colour)
{
	session_wait(s, "6 entries");
	session_wait(s, "Samsung SSD");
	session_wait(s, "default");
	session_wait(s, "failed 2x");
	session_wait(s, "[No disk]");
	session_wait(s, s->cols > 60 ? "Enter starts Debian GNU/Linux 12: /boot/CLOUDHV.fd of /dev/nvme0n1p2 (ok)"
				     : "Enter starts CLOUDHV.fd of nvme0n1p2 (ok)");
	session_wait(s, "disks: nvme0n1 read-write");
	session_wait(s, "4G of 6G free");
	session_wait(s, s->cols > 60 ? "4 of 8 CPUs" : "4/8 CPUs");
	session_wait(s, "net: none");
	session_wait(s, "pci: none");
	session_wait(s, "Enter start  e edit");
	assert_look(s, "Debian GNU", LOOK_SELECTED, colour);
	assert_look(s, "Debian (no", LOOK_STRONG, colour);
	assert_look(s, "failed 2x", LOOK_BAD, colour);
	assert_look(s, "-- sda in use by host", LOOK_BAD, colour);
}

static void look_at_editor(struct session *s, bool colour)
{
	session_keys(s, "e");
	session_wait(s, "Entry debian");
	session_wait(s, "[ Start ]");
	session_wait(s, "/boot/CLOUDHV.fd of /dev/n");
	session_wait(s, "Starts it as it stands");
	assert_look(s, "[ Start ]", LOOK_SELECTED, colour);
	assert_look(s, "[ Save ]", LOOK_STRONG, colour);
	go_down(s, MEMORY);
	session_wait(s, "6G of 16G free");
	session_keys(s, CTRL_U "8G");
	session_wait(s, "6G free, 8G asked: will");
	session_wait(s, "Entry debian *");
	go_down(s, 1);
	session_wait(s, "! Memory");
	assert_look(s, "8G ", LOOK_BAD, colour);
	go_down(s, TRIES - CPUS);
	session_wait(s, "Tries");
	session_keys(s, "\033");
	session_wait(s, "forget it?");
	session_keys(s, "y");
	session_wait(s, "6 entries");
}

static void look_at_pickers(struct session *s, bool colour)
{
	session_keys(s, "s");
	session_wait(s, "Disks if there is no entry");
	session_wait(s, "read-write  NVMe   nvme0n1");
	session_wait(s, "nvme0n1p2");
	session_wait(s, "LUKS - can be");
	session_wait(s, "no answer for 10 s");
	session_wait(s, "read-write: the guest can change this disk");
	assert_look(s, "read-write  NVMe", LOOK_SELECTED, colour);
	assert_look(s, "no answer for", LOOK_BAD, colour);
	session_keys(s, LEFT);
	session_wait(s, "6 entries");
	session_keys(s, "f");
	session_wait(s, "version edk2-2026.08");
	session_wait(s, "sha256 0123456789ab");
	assert_look(s, "CLOUDHV.fd", LOOK_SELECTED, colour);
	session_keys(s, END);
	session_wait(s, "Cannot be started: It is a flash image");
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	go_down(s, NETS);
	session_keys(s, "\r");
	session_wait(s, "Network of Debian");
	session_wait(s, "br0");
	session_wait(s, "It belongs to br0: take that instead.");
	assert_look(s, "eth0", LOOK_SELECTED, colour);
	session_keys(s, "qq");
	session_wait(s, "6 entries");
}

static void look_at_checklist(struct session *s, bool colour)
{
	session_keys(s, HOME "/windows");
	session_wait(s, "Only rows with: windows");
	session_keys(s, "\r" END "\r");
	session_wait(s, "Before Windows (EFI) starts");
	session_wait(s, "ok  KVM");
	session_wait(s, "ok  Memory");
	session_wait(s, "ok  Firmware");
	session_wait(s, "sda1 is mounted on /data by this host");
	session_wait(s, "It will not start like this; it will with o or r.");
	session_wait(s, "o start with overlay");
	assert_look(s, "!!  sda", LOOK_SELECTED, colour);
	session_keys(s, "q");
	session_wait(s, "Only rows with: windows   (Esc shows all)");
	session_keys(s, "\033");
	session_wait(s, "6 entries");
}

static void look_at_pci(struct session *s)
{
	session_keys(s, "p");
	session_wait(s, "IOMMU group 1");
	session_wait(s, "00:02.0 VGA controller");
	session_wait(s, "in use");
	session_wait(s, "this is the console GPU: you will lose VGA");
	session_keys(s, " ");
	session_wait(s, "An entry gives devices to its guest");
	session_keys(s, LEFT);
	session_wait(s, "6 entries");
}

static void look_at_settings(struct session *s, bool colour)
{
	session_keys(s, "c");
	session_wait(s, "[ Save ]");
	session_wait(s, "< default >");
	session_wait(s, "store: /etc/vmboot");
	assert_look(s, "[ Save ]", LOOK_SELECTED, colour);
	go_down(s, 3);
	session_wait(s, "The default entry starts");
	assert_look(s, "< 10 s >", LOOK_SELECTED, colour);
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_keys(s, "\033OQ");
	session_wait(s, "store: /etc/vmboot");
	session_keys(s, "q");
	session_wait(s, "6 entries");
}

static void test_every_screen(void **state)
{
	static const int sizes[][2] = {{24, 80}, {20, 60}, {43, 132}};
	static const char *const terms[] = {"xterm-256color", "vt220"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 2; k++) {
			const struct session_options o = {
				.term = terms[k], .rows = sizes[i][0], .cols = sizes[i][1]};
			struct session *s = session_open(FAKE_ENTRIES, &o);

			look_at_main(s, k == 0);
			look_at_editor(s, k == 0);
			look_at_pickers(s, k == 0);
			look_at_settings(s, k == 0);
			look_at_pci(s);
			look_at_checklist(s, k == 0);
			assert_int_equal(s->daemon.seen->start, 0);
			session_leave(s);
		}
	}
}

/* ---- the main list ---- */

static void test_entry_keys(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	session_wait(s, "default");
	/* The default moves, and is taken back. */
	session_keys(s, DOWN "d");
	session_wait(s, "default  \n    CLOUDHV.fd");
	session_keys(s, "o");
	session_wait(s, "4cpu             next start");
	session_keys(s, "o");
	session_wait_gone(s, "4cpu             next start");
	session_keys(s, "R");
	session_wait(s, "New title:");
	session_keys(s, CTRL_U "Never writes q\r");
	session_wait(s, "Enter starts Never writes q:");
	session_keys(s, "y");
	session_wait(s, "Never writes q (copy)");
	session_keys(s, "\r");
	session_wait(s, "7 entries");
	/* Delete asks, and anything but y is no. */
	session_keys(s, "D");
	session_wait(s, "The entry \"Never writes q\"");
	session_wait(s, "(/etc/vmboot/entries/debian-ro.conf) will be gone.");
	session_keys(s, "\r");
	session_wait_gone(s, "will be gone");
	session_keys(s, "\033[3~");
	session_wait(s, "will be gone");
	session_keys(s, "n");
	session_wait_gone(s, "will be gone");
	assert_int_equal(s->daemon.seen->deleted, 0);
	session_keys(s, "Dy");
	session_wait(s, "6 entries");
	assert_int_equal(s->daemon.seen->deleted, 1);
	/* They are about entries only. */
	session_keys(s, HOME "D");
	session_wait(s, "Select an entry first");
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

static void test_entry_starts_by_its_id(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	session_wait(s, "Enter starts Debian GNU/Linux 12:");
	/* Blanks and digits start nothing; 2 goes to the second row that can be started. */
	session_keys(s, "  2");
	session_wait(s, "Enter starts Debian (no writes):");
	session_wait(s, "disks: nvme0n1 overlay");
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "1\r");
	session_wait(s, "Shell>");
	assert_string_equal(s->daemon.seen->started_id, "debian");
	session_close(s);
}

/* Started without an entry: the disk under the cursor alone. */
static void test_disk_starts_alone(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);
	const struct vm_config *config = &s->daemon.seen->config;

	(void)state;
	session_keys(s, HOME);
	session_wait(s, "Enter starts it alone");
	session_keys(s, "\r");
	session_wait(s, "Choose firmware");
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	assert_string_equal(s->daemon.seen->started_id, "");
	assert_int_equal(config->disk_count, 1);
	assert_string_equal(config->disks[0].path, "/dev/nvme0n1");
	assert_string_equal(config->firmware_path, "/boot/CLOUDHV.fd");
	session_close(s);
}

/* A disk that comes or goes never moves the operator to another row. */
static void test_cursor_stays_on_its_row(void **state)
{
	struct session *s = session_open_main(FAKE_PLUG);

	(void)state;
	session_wait(s, "Enter starts Debian GNU/Linux 12:");
	session_keys(s, "r");
	session_wait(s, "Just plugged in");
	session_wait(s, "Enter starts Debian GNU/Linux 12:");
	session_keys(s, DOWN DOWN DOWN DOWN);
	session_wait(s, "Enter starts Windows (EFI):");
	session_keys(s, "r");
	session_wait_gone(s, "Just plugged in");
	session_wait(s, "Enter starts Windows (EFI):");
	assert_look(s, "Windows (EFI)", LOOK_SELECTED, true);
	/* The row under the cursor itself goes: the cursor stays near, on a row. */
	session_keys(s, "r");
	session_wait(s, "Just plugged in");
	session_keys(s, HOME);
	session_wait(s, "/dev/aoe0");
	session_keys(s, "r");
	session_wait_gone(s, "Just plugged in");
	session_wait(s, "/dev/nvme0n1  Samsung");
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

static void test_filter(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	/* Letters and digits are text while they are typed: no command, no move. */
	session_keys(s, "/qDe1");
	session_wait(s, "Only rows with: qDe1");
	session_wait(s, "No row has these words.");
	session_keys(s, CTRL_U "DEBIAN writes\r");
	session_wait_gone(s, "Windows");
	session_wait(s, "Debian (no writes)");
	assert_false(session_shows(s, "Debian GNU"));
	assert_true(session_shows(s, "Samsung SSD 980"));
	/* The cursor stands on what is left, and Enter starts just that. */
	session_keys(s, END "\r");
	session_wait(s, "Shell>");
	assert_string_equal(s->daemon.seen->started_id, "debian-ro");
	session_close(s);
	/* A hundred disks, or nearly. */
	s = session_open_main(FAKE_MANY);
	session_keys(s, "s/vd57\r");
	session_wait(s, "/dev/vd57");
	assert_false(session_shows(s, "vd56"));
	session_keys(s, " ");
	session_wait(s, "read-only: the guest sees it");
	session_keys(s, "\033");
	session_wait_gone(s, "Only rows with");
	session_wait(s, "/dev/vd57");
	session_keys(s, "q");
	session_wait(s, "60 disks");
	session_leave(s);
}

static void test_scanning_is_named(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_leave(s);
	s = session_open(FAKE_SCANNING, &plain);
	session_wait(s, "still scanning sdc (4 s)");
	session_wait(s, "still scanning sdc (5 s)");
	session_wait(s, "scanning (");
	/* It blocks nobody. */
	session_keys(s, HOME "\tj");
	session_wait(s, "/dev/sda");
	/* And it can be given up. */
	session_wait(s, "Esc ends the scan");
	session_keys(s, "\033");
	session_wait(s, "the scan was cancelled, r");
	session_wait_gone(s, "still scanning");
	session_wait_count(s, scan_cancel, 1);
	session_leave(s);
}

/* ---- the editor ---- */

/* What is sent is what the screen showed; "this boot only" saves nothing. */
static void test_editor_values_reach_the_daemon(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);
	const struct vm_config *config = &s->daemon.seen->config;

	(void)state;
	session_keys(s, "e");
	session_wait(s, "not an entry yet");
	go_down(s, MEMORY);
	session_wait(s, "Memory of the VM");
	session_keys(s, CTRL_U "2G" DOWN CTRL_U "4");
	session_wait(s, "2G of 6G free   4 of 8 CPUs");
	/* Disks: nvme0n1 read-only, sda (in use) read-only, sdb off. */
	session_keys(s, UP UP " ");
	session_wait(s, "Disks of CLOUDHV.fd");
	session_keys(s, " ");
	session_wait(s, "read-only   NVMe");
	session_keys(s, DOWN DOWN DOWN DOWN " ");
	session_wait(s, "This host uses it: mounted on /data. Not read-write.");
	session_wait(s, "read-only   SATA   sda");
	session_keys(s, DOWN DOWN "  ");
	session_wait(s, "off         USB");
	session_keys(s, "\r");
	session_wait(s, "disks: nvme0n1 read-only, sda read-only");
	session_keys(s, DOWN DOWN DOWN " ");
	session_wait(s, "Network of");
	session_keys(s, DOWN " ");
	session_wait(s, "card  br0");
	session_keys(s, "q");
	session_wait(s, "net: br0");
	session_keys(s, F10);
	session_wait(s, "Shell>");
	assert_int_equal(s->daemon.seen->start, 1);
	assert_int_equal(s->daemon.seen->save, 0);
	assert_int_equal(config->memory, 2ULL << 30);
	assert_int_equal(config->cpus, 4);
	assert_string_equal(config->firmware_device, "/dev/nvme0n1p2");
	assert_string_equal(config->firmware_path, "/boot/CLOUDHV.fd");
	assert_int_equal(config->disk_count, 2);
	assert_string_equal(config->disks[0].path, "/dev/nvme0n1");
	assert_true(config->disks[0].read_only && !config->disks[0].overlay);
	assert_string_equal(config->disks[1].path, "/dev/sda");
	assert_true(config->disks[1].read_only);
	assert_int_equal(config->net_count, 1);
	assert_int_equal(config->nets[0].kind, VM_NET_BRIDGE);
	assert_string_equal(config->nets[0].name, "br0");
	session_close(s);
}

static void test_editor_saves(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);
	const struct menu_entry_save *saved = &s->daemon.seen->saved;

	(void)state;
	session_keys(s, "e");
	session_wait(s, "saved");
	go_down(s, TITLE);
	/* A title may have any letters, commands among them. */
	session_keys(s, CTRL_U "q!?e 12");
	session_wait(s, "[q!?e 12");
	session_wait(s, "not saved: F10 starts it like this once");
	go_down(s, VARS - TITLE);
	session_keys(s, " ");
	session_wait(s, "< start fresh >");
	go_down(s, KEYS - VARS);
	session_keys(s, RIGHT RIGHT DOWN LEFT DOWN " " DOWN CTRL_U "7" DOWN RIGHT RIGHT);
	session_wait(s, "< xterm >");
	session_wait(s, "< switches off >");
	session_wait(s, "< cp437 >");
	session_keys(s, CTRL_S);
	session_wait(s, "Saved as debian.");
	assert_false(session_shows(s, "Entry debian *"));
	assert_int_equal(s->daemon.seen->save, 1);
	assert_int_equal(s->daemon.seen->start, 0);
	assert_string_equal(saved->id, "debian");
	assert_string_equal(saved->config.title, "q!?e 12");
	assert_string_equal(saved->console.keys, "xterm");
	assert_string_equal(saved->console.charset, "cp437");
	assert_int_equal(saved->autostart, 0);
	assert_int_equal(saved->tries, 7);
	assert_int_equal(saved->config.after, VM_AFTER_POWEROFF);
	/* Starting fresh is for once: it is not kept. */
	assert_int_equal(saved->config.fresh_vars, 0);
	session_keys(s, "\033");
	session_wait(s, "Enter starts q!?e 12:");
	/* A new one. */
	session_keys(s, "n");
	session_wait(s, "not an entry yet");
	session_keys(s, DOWN "\r");
	session_wait(s, "Saved as new-entry.");
	assert_string_equal(saved->id, "");
	session_keys(s, "q");
	session_wait(s, "7 entries");
	session_leave(s);
}

static void test_editor_refuses_bad_values(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	go_down(s, MEMORY);
	session_keys(s, CTRL_U "q!e?r");
	session_wait(s, "[q!e?r");
	session_wait(s, "Not a size. Write 512M or 2G.");
	session_keys(s, F10);
	session_wait(s, "Not started: Not a size.");
	session_keys(s, CTRL_S);
	session_wait(s, "Not saved: Not a size.");
	session_keys(s, CTRL_U "8G");
	session_wait(s, "6G free, 8G asked: will not start.");
	session_keys(s, "\030");
	session_wait(s, "Not started: 6G free");
	session_keys(s, CTRL_U "1G" DOWN CTRL_U "12");
	session_wait(s, "CPU count 12 > 8 host");
	session_keys(s, CTRL_U "0" F10);
	session_wait(s, "Not started: At least one CPU");
	session_keys(s, CTRL_U "1");
	go_down(s, TRIES - CPUS);
	session_keys(s, CTRL_U "many" F10);
	session_wait(s, "Not started: Write a number from 0 to 99.");
	/* From anywhere the cursor goes to what is wrong. */
	session_keys(s, CTRL_U "0");
	for (int i = TRIES; i > TITLE; i--)
		session_keys(s, UP);
	session_keys(s, CTRL_U UP CTRL_S);
	session_wait(s, "Not saved: It needs a title.");
	session_keys(s, "x" CTRL_U);
	session_wait(s, "[                              ]");
	session_keys(s, "\033");
	session_wait(s, "5 disks, 3 firmware");
	assert_int_equal(s->daemon.seen->start + s->daemon.seen->save, 0);
	session_leave(s);
}

static void test_editor_kernel(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);
	const struct vm_config *config = &s->daemon.seen->config;

	(void)state;
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	go_down(s, BOOTS);
	session_keys(s, " ");
	session_wait(s, "Command line");
	assert_false(session_shows(s, "Variables"));
	session_keys(s, F10);
	session_wait(s, "Not started: The path of the kernel is missing.");
	session_keys(s, "vmlinuz");
	session_wait(s, "Write the whole path");
	session_keys(s, CTRL_U "/boot/vmlinuz" DOWN "/boot/initrd" DOWN);
	session_keys(s, "console=ttyS0 root=/dev/vda2 a-command-line-that-is-longer-than-its-field quiet");
	session_wait(s, "than-its-field quiet");
	session_keys(s, F10);
	session_wait(s, "Shell>");
	assert_string_equal(config->kernel_path, "/boot/vmlinuz");
	assert_string_equal(config->initrd_path, "/boot/initrd");
	assert_string_equal(config->cmdline, "console=ttyS0 root=/dev/vda2 "
					     "a-command-line-that-is-longer-than-its-field quiet");
	assert_string_equal(config->firmware_path, "");
	assert_string_equal(config->vars_path, "");
	session_close(s);
}

/* What a save can say: the store is read-only, the daemon refuses, it does not answer. */
static void test_save_fails(void **state)
{
	struct session *s = session_open_main(FAKE_READ_ONLY);

	(void)state;
	session_keys(s, "e" CTRL_S);
	session_wait(s, "settings store read-only (/dev/sda1): change kept for this");
	session_keys(s, "\r");
	session_wait_gone(s, "change kept");
	session_keys(s, "qc");
	session_wait(s, "store: /dev/sda1, read-only");
	session_keys(s, "q");
	session_leave(s);
	s = session_open_main(FAKE_REFUSE);
	session_keys(s, "e" CTRL_S);
	session_wait(s, "The title is in use already.");
	session_keys(s, "\r" CTRL_S);
	session_wait_count(s, save, 2);
	session_wait(s, "The title is in use already.");
	session_keys(s, "\rq");
	session_leave(s);
	s = session_open_main(FAKE_SLOW);
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	session_keys(s, CTRL_S);
	session_wait(s, "Saving Debian GNU/Linux 12 (0 s)   Esc cancels");
	session_wait(s, "Saving Debian GNU/Linux 12 (1 s)");
	session_keys(s, "\033");
	session_wait(s, "Not waited for any longer");
	session_wait_count(s, save, 1);
	session_keys(s, CTRL_S);
	session_wait_count(s, save, 2);
	session_wait(s, "Esc cancels");
	session_keys(s, "\033");
	session_wait(s, "Not waited for any longer");
	session_keys(s, "q");
	session_leave(s);
}

/* ---- before and while it starts ---- */

static void test_checklist_offers_what_helps(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	session_keys(s, "/windows\r" END "\r");
	session_wait(s, "!!  sda");
	session_keys(s, "\r");
	session_wait(s, "It will not start like this: see the lines with !!.");
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "o");
	session_wait(s, "Shell>");
	assert_int_equal(s->daemon.seen->config.disks[0].overlay, 1);
	session_close(s);
	s = session_open_main(FAKE_ENTRIES);
	session_keys(s, "/windows\r" END "\rr");
	session_wait(s, "Shell>");
	assert_true(s->daemon.seen->config.disks[0].read_only && !s->daemon.seen->config.disks[0].overlay);
	session_close(s);
	/* A disk that is not there: only the editor helps. */
	s = session_open_main(FAKE_ENTRIES);
	session_keys(s, "/backup\r" END);
	session_wait(s, "It will not start: the disk serial:ZC1000 is not connected. ");
	session_keys(s, "\r");
	session_wait(s, "!!  serial:ZC1000");
	session_wait(s, "serial:ZC1000 is not connected.");
	session_wait(s, "It will not start like this.");
	session_keys(s, "or\r");
	session_idle(s, 200);
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "e");
	session_wait(s, "Entry gone");
	go_down(s, DISKS);
	session_keys(s, "\r");
	session_wait(s, "serial:ZC1000 is not connected: x takes it out");
	session_keys(s, "xq" F10);
	session_wait(s, "Shell>");
	assert_int_equal(s->daemon.seen->config.disk_count, 0);
	session_close(s);
}

static void test_checklist_without_kvm(void **state)
{
	struct session *s = session_open_main(FAKE_NO_KVM);

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "!!  KVM");
	session_wait(s, "/dev/kvm missing. CPU has no vmx/svm flag.");
	session_keys(s, "q");
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

static void test_start_can_be_cancelled(void **state)
{
	struct session *s = session_open_main(FAKE_SLOW);

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "Starting Debian GNU/Linux 12: its firmware is read (0 s)   Esc cancels");
	session_wait(s, "is read (1 s)");
	session_keys(s, "\033");
	session_wait(s, "The start was cancelled.");
	session_wait_count(s, kill, 1);
	session_close(s);
}

/* ---- the countdown ---- */

static void test_countdown(void **state)
{
	static const char noise[] = "\033[26~\033[?1;2c\033[24;80R\033]0;\r\033\\\014";
	struct session *s = session_open(FAKE_COUNTDOWN, &plain);

	(void)state;
	session_wait(s, "Starting Debian GNU/Linux 12 in 90 s - any key to wait");
	session_wait(s, "in 89 s");
	/* What the decoder does not know, and ^L, are no key. */
	session_send(s, noise, sizeof(noise) - 1);
	session_wait(s, "in 88 s");
	assert_int_equal(s->daemon.seen->pause, 0);
	/* A letter stops it, and is no command: the e of a scripted "exit" opens no editor. */
	session_keys(s, "e");
	session_wait(s, "it starts by itself after 30 s without a key");
	session_wait_count(s, pause, 1);
	assert_false(session_shows(s, "[ Start ]"));
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	session_wait_count(s, pause, 2);
	session_keys(s, "q");
	session_leave(s);
	/* Enter does not wait any longer. */
	s = session_open(FAKE_COUNTDOWN, &plain);
	session_wait(s, "in 90 s");
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	assert_string_equal(s->daemon.seen->started_id, "debian");
	session_close(s);
}

/* A guest has switched itself off and the machine is to follow: every key but ^L is a no, and nothing else. */
static void test_power_countdown(void **state)
{
	struct session *s;

	(void)state;
	setenv("FAKE_FOLLOW", "1", 1);
	s = session_open(FAKE_COUNTDOWN, &plain);
	unsetenv("FAKE_FOLLOW");
	session_wait(s, "Switching off in 90 s - any key to stay on   (Debian GNU/Linux 12 has ended)");
	session_wait(s, "in 89 s");
	session_keys(s, "\014");
	session_wait(s, "in 88 s");
	assert_int_equal(s->daemon.seen->pause, 0);
	session_keys(s, "\r");
	session_wait(s, "This machine stays on.");
	session_wait_count(s, pause, 1);
	session_settle(s);
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

static void test_hidden_menu(void **state)
{
	struct session *s;

	(void)state;
	setenv("FAKE_HIDDEN", "1", 1);
	s = session_open(FAKE_COUNTDOWN, &plain);
	unsetenv("FAKE_HIDDEN");
	session_wait(s, "any key for the menu");
	session_settle(s);
	assert_false(session_shows(s, "nvme0n1"));
	session_keys(s, "x");
	session_wait(s, "Enter starts Debian GNU/Linux 12:");
	session_leave(s);
}

static void test_empty_states(void **state)
{
	struct session *s = session_open_main(FAKE_EMPTY);

	(void)state;
	session_wait(s, "No disks found. Looked at: nvme, sata, scsi, usb, virtio");
	session_wait(s, "(0 of 2 controllers bound). r rescan, ! shell, i hardware.");
	session_keys(s, "s");
	session_wait(s, "Disks if there is");
	session_wait(s, "No disks found. Looked at: nvme, sata, scsi, usb, virtio");
	session_keys(s, " xq");
	session_wait_gone(s, "Disks if there is");
	session_keys(s, "f");
	session_wait(s, "No firmware found on XFS, ext4 and FAT partitions");
	session_keys(s, "q");
	session_wait(s, "0 disks");
	session_keys(s, "n");
	session_wait(s, "No firmware is chosen");
	go_down(s, NETS);
	session_keys(s, "\r");
	session_wait(s, "This host has no network interface but the loopback.");
	session_keys(s, "qq");
	session_wait(s, "0 disks");
	session_keys(s, "p");
	session_wait(s, "No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): passthrough");
	session_keys(s, "q");
	session_wait(s, "0 disks");
	session_keys(s, "c");
	session_wait(s, "store: none found, running on defaults");
	session_wait(s, "2 lines of the settings were not understood");
	session_keys(s, "q");
	session_leave(s);
}

/* Every screen is laid out anew, whatever sizes came between. */
static void test_resize_storm(void **state)
{
	static const char *const ways[] = {"", "e", "s", "f", "c", "e" DOWN DOWN DOWN DOWN DOWN DOWN " ",
					   "/deb", "R", "D"};
	static char want[60000];

	(void)state;
	srandom(43);
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		struct session *s = session_open_main(FAKE_ENTRIES);

		session_wait(s, "6 entries");
		session_keys(s, ways[way]);
		session_idle(s, 300);
		session_settle(s);
		strcpy(want, session_text(s));
		for (int i = 0; i < 40; i++) {
			session_resize(s, 1 + (int)(random() % 60), 1 + (int)(random() % 160));
			session_read(s, (int)(random() % 8));
		}
		session_resize(s, 24, 80);
		/* A busy machine may come to it late. */
		for (int i = 0; i < 60 && strcmp(session_text(s), want) != 0; i++)
			session_idle(s, 500);
		if (strcmp(session_text(s), want) != 0) {
			fprintf(stderr, "%s\n%s\n", want, session_text(s));
			fail_msg("way %zu: the picture is not what it was", way);
		}
		session_close(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_screen),
		cmocka_unit_test(test_entry_keys),
		cmocka_unit_test(test_entry_starts_by_its_id),
		cmocka_unit_test(test_disk_starts_alone),
		cmocka_unit_test(test_cursor_stays_on_its_row),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_scanning_is_named),
		cmocka_unit_test(test_editor_values_reach_the_daemon),
		cmocka_unit_test(test_editor_saves),
		cmocka_unit_test(test_editor_refuses_bad_values),
		cmocka_unit_test(test_editor_kernel),
		cmocka_unit_test(test_save_fails),
		cmocka_unit_test(test_checklist_offers_what_helps),
		cmocka_unit_test(test_checklist_without_kvm),
		cmocka_unit_test(test_start_can_be_cancelled),
		cmocka_unit_test(test_countdown),
		cmocka_unit_test(test_power_countdown),
		cmocka_unit_test(test_hidden_menu),
		cmocka_unit_test(test_empty_states),
		cmocka_unit_test(test_resize_storm),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_entries", tests, NULL, NULL);
}
