/* entries/NAME.conf: what each key means, what is said of a bad one, and writing it back. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "entry_file.h"
#include "ini_told.h"

static struct entry_file parse(const char *text)
{
	struct entry_file file;

	told[0] = '\0';
	assert_int_equal(entry_file_parse(text, strlen(text), &report, &file), 0);
	return file;
}

static const char whole[] = "title = Debian 12\n"
			    "firmware = label:boot,/boot/CLOUDHV.fd\n"
			    "vars = /var/lib/vmboot/debian.vars\n"
			    "disk = serial:S64DNX0R401234\n"
			    "disk = partuuid:0f1e,ro,serial=X\n"
			    "disk = /srv/a,,b.iso,overlay=2147483648,sector=4096\n"
			    "net = bridge=br0,mac=52:54:00:12:34:56\n"
			    "vfio = 0000:01:00.0\n"
			    "vfio = 0000:01:00.1,id=144d:a80a,serial=S64DNX0R401234,rom=off\n"
			    "log = /var/log/guest\n"
			    "memory = 1536M\n"
			    "cpus = 4\n"
			    "tries = 3\n"
			    "autostart = no\n"
			    "virtio-console = yes\n"
			    "panic = stop\n"
			    "nested = yes\n"
			    "after = reboot\n"
			    "console = xterm cp437\n";

static void check_whole(const struct entry_file *f)
{
	const struct vm_config *c = &f->entry.config;

	assert_string_equal(told, "");
	assert_int_equal(f->problem.line, 0);
	assert_string_equal(c->title, "Debian 12");
	assert_string_equal(c->firmware_device, "label:boot");
	assert_string_equal(c->firmware_path, "/boot/CLOUDHV.fd");
	assert_string_equal(c->vars_path, "/var/lib/vmboot/debian.vars");
	assert_string_equal(c->log_path, "/var/log/guest");
	assert_int_equal(c->memory, 1536 << 20);
	assert_int_equal(c->cpus, 4);
	assert_int_equal(c->disk_count, 3);
	assert_string_equal(c->disks[0].path, "serial:S64DNX0R401234");
	assert_string_equal(c->disks[1].path, "partuuid:0f1e");
	assert_true(c->disks[1].read_only);
	assert_string_equal(c->disks[1].serial, "X");
	assert_string_equal(c->disks[2].path, "/srv/a,b.iso");
	assert_true(c->disks[2].overlay);
	assert_int_equal(c->disks[2].overlay_limit, 2LL << 30);
	assert_int_equal(c->disks[2].sector, 4096);
	assert_int_equal(c->net_count, 1);
	assert_int_equal(c->nets[0].kind, VM_NET_BRIDGE);
	assert_string_equal(c->nets[0].name, "br0");
	assert_int_equal(c->vfio_count, 2);
	assert_string_equal(c->vfio[0].address, "0000:01:00.0");
	assert_int_equal(c->vfio[0].no_rom, 0);
	assert_string_equal(c->vfio[1].address, "0000:01:00.1");
	assert_int_equal(c->vfio[1].no_rom, 1);
	assert_int_equal(c->vfio[0].vendor, 0);
	assert_int_equal(c->vfio[1].vendor, 0x144d);
	assert_int_equal(c->vfio[1].device, 0xa80a);
	assert_string_equal(c->vfio[1].serial, "S64DNX0R401234");
	assert_int_equal(f->entry.tries, 3);
	assert_int_equal(f->entry.autostart, 0);
	assert_int_equal(c->virtio_console, 1);
	assert_int_equal(c->stop_on_panic, 1);
	assert_int_equal(c->nested, 1);
	assert_int_equal(c->after, VM_AFTER_REBOOT);
	assert_string_equal(f->entry.console.keys, "xterm");
	assert_string_equal(f->entry.console.charset, "cp437");
}

static void every_key_is_read(void **state)
{
	struct entry_file f = parse(whole);

	(void)state;
	check_whole(&f);
	f = parse("kernel = /boot/vmlinuz\ninitrd = /boot/initrd\noptions = root=/dev/vda1 quiet");
	assert_string_equal(told, "");
	assert_string_equal(f.entry.config.kernel_path, "/boot/vmlinuz");
	assert_string_equal(f.entry.config.initrd_path, "/boot/initrd");
	assert_string_equal(f.entry.config.cmdline, "root=/dev/vda1 quiet");
	assert_string_equal(f.entry.config.vars_path, "");
}

static void what_is_not_said_has_a_default(void **state)
{
	struct entry_file f = parse("firmware = /fw.fd\n");

	(void)state;
	assert_string_equal(told, "");
	assert_int_equal(f.entry.config.memory, VM_DEFAULT_MEMORY);
	assert_int_equal(f.entry.config.cpus, 1);
	assert_int_equal(f.entry.autostart, 1);
	assert_int_equal(f.entry.tries, 0);
	assert_string_equal(f.entry.config.vars_path, VM_VARS_USUAL);
	assert_string_equal(f.entry.console.keys, "auto");
	f = parse("firmware = /fw.fd\nvars = none\n");
	assert_string_equal(f.entry.config.vars_path, "");
}

/* The line, the reason, what is expected; a line that decides what boots keeps the entry from starting. */
static void a_bad_line_is_told_and_the_rest_works(void **state)
{
	static const struct {
		const char *line, *says;
		bool decides;
	} bad[] = {
		{"memory = lots", "3!\"lots\" is no amount of memory; expected a size", false},
		{"memory = 1M", "3!\"1M\" is no amount of memory", false},
		{"cpus = 0", "3!\"0\" is no number of CPUs; expected 1 to 254.", false},
		{"cpus = 4 of them", "3!\"4 of them\" is no number of CPUs", false},
		{"tries = -1", "3!\"-1\" is no number of tries", false},
		{"autostart = maybe", "3!\"maybe\" is neither yes nor no.", false},
		{"panic = perhaps", "3!\"perhaps\" is neither stop nor keep.", false},
		{"console = vt52", "3!\"vt52\" is no way to treat a console; expected auto", false},
		{"firmware = CLOUDHV.fd", "3!The firmware is no absolute path; expected /PATH",
		 true},
		{"kernel = vmlinuz", "3!The kernel is no absolute path", true},
		{"vars = x", "3!The variable file is no absolute path", true},
		{"disk =", "3!No disk is named; expected NAME", true},
		{"disk = serial:A,rw", "3!Disk serial:A: unknown option \"rw\"; known are ro",
		 true},
		{"disk = serial:A,ro,overlay", "3!Disk serial:A: ro and overlay exclude", true},
		{"vfio = nvidia", "3!\"nvidia\" is no address of a PCI function; expected", true},
		{"net = cable", "3!", true},
		{"disks = serial:A", "3~\"disks\" is not known; expected title, firmware", false},
		{"[disk]", "", false},
		{"disk serial:A", "3!\"disk serial:A\" is neither a comment nor a value", true},
		{"title = again", "3~\"title\" was set before; this line counts.", false},
		{"options = quiet", "1!An initrd and options go with a kernel, not with firmware.",
		 true},
		{"kernel = /vmlinuz", "1!Both firmware and a kernel are named", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[512];
		struct entry_file f;

		snprintf(text, sizeof(text), "title = T\nfirmware = /fw.fd\n%s\n", bad[i].line);
		f = parse(text);
		if (strncmp(told, bad[i].says, strlen(bad[i].says)) != 0)
			fail_msg("%s: told \"%s\"", bad[i].line, told);
		if (!bad[i].says[0])
			assert_string_equal(told, "");
		assert_int_equal(f.problem.line != 0, bad[i].decides);
		assert_int_equal(f.problem.text[0] != '\0', bad[i].decides);
		if (strncmp(bad[i].line, "title", 5) != 0)
			assert_string_equal(f.entry.config.title, "T");
	}
	assert_int_equal(parse("title = nothing else\n").problem.line, 1);
	assert_non_null(strstr(told, "Neither firmware nor a kernel is named"));
}

static void too_many_disks_are_told(void **state)
{
	char text[2048] = "firmware = /fw.fd\n";

	(void)state;
	for (int i = 0; i <= VM_MAX_DISKS; i++)
		snprintf(text + strlen(text), 32, "disk = serial:%d\n", i);
	assert_int_equal(parse(text).entry.config.disk_count, VM_MAX_DISKS);
	assert_string_equal(told, "26!There are more than 24 disks. Attach fewer.\n");
}

static void a_title_cannot_act_on_a_terminal(void **state)
{
	struct entry_file f = parse("firmware = /fw.fd\ntitle = \033]0;owned\007\n");

	(void)state;
	assert_string_equal(f.entry.config.title, "\\x1b]0;owned\\x07");
}

static void what_is_written_reads_the_same(void **state)
{
	struct entry_file f = parse(whole), again;
	struct vmb_err err;
	size_t n;
	char *text = entry_file_render(&f.entry, "", 0, &n, &err);

	(void)state;
	assert_non_null(text);
	told[0] = '\0';
	assert_int_equal(entry_file_parse(text, n, &report, &again), 0);
	check_whole(&again);
	assert_memory_equal(&f.entry, &again.entry, sizeof(f.entry));
	free(text);
}

static void a_long_command_line_survives(void **state)
{
	struct entry_file f = parse("kernel = /vmlinuz\n"), again;
	char *text;
	size_t n;

	(void)state;
	memset(f.entry.config.cmdline, 'a', VM_CMDLINE_SIZE - 1);
	for (int i = 7; i < VM_CMDLINE_SIZE - 2; i += 11)
		f.entry.config.cmdline[i] = ' ';
	text = entry_file_render(&f.entry, "", 0, &n, NULL);
	assert_non_null(text);
	assert_int_equal(entry_file_parse(text, n, &report, &again), 0);
	assert_string_equal(f.entry.config.cmdline, again.entry.config.cmdline);
	free(text);
}

static void a_change_keeps_what_an_operator_wrote(void **state)
{
	static const char old[] = "# the old one\ntitle = T\nfirmware = /fw.fd\nusb = 1-2\n";
	struct entry_file f = parse(old);
	size_t n;
	char *text;

	(void)state;
	f.entry.config.cpus = 2;
	text = entry_file_render(&f.entry, old, strlen(old), &n, NULL);
	assert_string_equal(text, "# the old one\ntitle = T\nfirmware = /fw.fd\nusb = 1-2\n"
				  "memory = 1G\ncpus = 2\n");
	free(text);
}

static void a_value_that_would_be_cut_is_refused(void **state)
{
	struct entry_file f = parse(whole);
	struct vmb_err err;
	size_t n;

	(void)state;
	strcpy(f.entry.config.title, "a ; b");
	assert_null(entry_file_render(&f.entry, "", 0, &n, &err));
	assert_string_equal(err.text,
			    "\"title\" holds \" ;\", which begins a comment in a settings "
			    "file. Take the blank or the semicolon away.");
}

static void ids_are_made_from_titles(void **state)
{
	static const struct {
		const char *title, *id;
	} cases[] = {
		{"Debian GNU/Linux 12", "debian-gnu-linux-12"},
		{"  --x--  ", "x"},
		{"\xC3\xBC\xE6\x97\xA5", "entry"},
		{"", "entry"},
		{"../../etc/passwd", "etc-passwd"},
		{"a very long title that goes on and on and on until the end",
		 "a-very-long-title-that-goes-on-and-on-and-on-unt"},
	};
	char id[MENU_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		entry_file_make_id(cases[i].title, id);
		assert_string_equal(id, cases[i].id);
		assert_true(entry_file_id_ok(id));
	}
	assert_false(entry_file_id_ok(""));
	assert_false(entry_file_id_ok(".x"));
	assert_false(entry_file_id_ok("a/b"));
	assert_false(entry_file_id_ok("a b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(what_is_not_said_has_a_default),
		cmocka_unit_test(a_bad_line_is_told_and_the_rest_works),
		cmocka_unit_test(too_many_disks_are_told),
		cmocka_unit_test(a_title_cannot_act_on_a_terminal),
		cmocka_unit_test(what_is_written_reads_the_same),
		cmocka_unit_test(a_long_command_line_survives),
		cmocka_unit_test(a_change_keeps_what_an_operator_wrote),
		cmocka_unit_test(a_value_that_would_be_cut_is_refused),
		cmocka_unit_test(ids_are_made_from_titles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
