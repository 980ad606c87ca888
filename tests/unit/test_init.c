/* What vmboot as PID 1 reads and what it makes of it, below a directory of our own. */
#include "storage_test.h"

#include <sys/wait.h>

#include "init/backoff.h"
#include "init/boot_options.h"
#include "init/consoles.h"
#include "init/spcr.h"
#include "init/modules.h"
#include "init/spawn.h"
#include "init/system.h"
#include "log.h"

#define DEADLINE_MS 20000

static int setup(void **state)
{
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return scratch_setup(state);
}

/* ---- the kernel's command line ---- */

static void the_command_line_is_read(void **state)
{
	struct boot_options o;

	(void)state;
	boot_options_parse(
		"BOOT_IMAGE=/vmlinuz console=ttyS0 vmboot.entry=debian vmboot.timeout=0 "
		"vmboot.config=\"/a dir\" vmboot.shell vmboot.debug=1 vmboot.net=dhcp,eth1 quiet\n",
		&o);
	assert_int_equal(o.note_count, 0);
	assert_string_equal(o.entry, "debian");
	assert_string_equal(o.timeout, "0");
	assert_string_equal(o.config, "/a dir");
	assert_true(o.shell && o.debug && o.dhcp);
	assert_string_equal(o.card, "eth1");
	boot_options_parse("vmboot.shell=0 vmboot.net=dhcp vmboot.timeout=off xvmboot.shell", &o);
	assert_int_equal(o.note_count, 0);
	assert_false(o.shell || o.debug);
	assert_true(o.dhcp);
	assert_string_equal(o.card, "");
	assert_string_equal(o.timeout, "off");
	boot_options_parse("", &o);
	assert_false(o.note_count || o.shell || o.debug || o.dhcp || o.entry[0] || o.timeout[0] ||
		     o.config[0]);
}

/* Each is said with what was expected, and is as if it were not there. */
static void what_is_not_understood_is_said(void **state)
{
	static const char *const cases[][2] = {
		{"vmboot.bogus=1", "vmboot.bogus=1 is not understood; expected entry, timeout,"},
		{"vmboot.=", "vmboot. is not understood"},
		{"vmboot.entry", "vmboot.entry is not understood; expected the name of a file"},
		{"vmboot.entry=../x/y", "vmboot.entry=../x/y is not"},
		{"vmboot.timeout=soon", "expected seconds from 0, or off"},
		{"vmboot.timeout=-1", "expected seconds from 0, or off"},
		{"vmboot.config=etc", "expected a directory, /PATH"},
		{"vmboot.shell=maybe", "expected nothing, 1 or 0"},
		{"vmboot.net=static", "expected dhcp, or dhcp,CARD"},
		{"vmboot.net=dhcp,", "expected dhcp, or dhcp,CARD"},
		{"vmboot.net=dhcp,a/b", "expected dhcp, or dhcp,CARD"},
		{"vmboot.x=\033[2J", "vmboot.x=\\x1b[2J is not"},
	};
	struct boot_options o;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		boot_options_parse(cases[i][0], &o);
		assert_int_equal(o.note_count, 1);
		if (!strstr(o.notes[0], cases[i][1]))
			fail_msg("%s: %s", cases[i][0], o.notes[0]);
		assert_false(o.shell || o.debug || o.dhcp || o.entry[0] || o.timeout[0] ||
			     o.config[0]);
	}
}

static void a_hostile_command_line_does_no_harm(void **state)
{
	static char text[65536];
	struct boot_options o;

	(void)state;
	for (size_t i = 0; i + 10 < sizeof(text); i += 9)
		memcpy(text + i, "vmboot.a ", 9);
	boot_options_parse(text, &o);
	assert_int_equal(o.note_count, BOOT_OPTIONS_NOTES);
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "vmboot.config=/", 15);
	boot_options_parse(text, &o);
	assert_int_equal(o.note_count + (o.config[0] != '\0'), 1);
	boot_options_parse("\"vmboot.shell", &o);
	assert_true(o.shell);
}

/* ---- consoles ---- */

static void consoles_are_the_kernels(void **state)
{
	struct scratch *s = *state;
	char names[CONSOLES_MAX][16];

	/* proc(5): netconsole is no terminal, ttyS1 is off, tty0 is the one that is shown. */
	put(s, "proc/consoles",
	    "ttyS0                -W- (EC p  a)    4:64\n"
	    "tty0                 -WU (E  p  )    4:2\n"
	    "netcon0              -W- (E  p  a)\n"
	    "ttyS1                -W- (   p  a)    4:65\n"
	    "hvc0                 -W- (E  p  )  229:0\n");
	put(s, "sys/class/tty/tty0/active", "tty2\n");
	assert_int_equal(consoles_list(s->dir, names), 3);
	assert_string_equal(names[0], "ttyS0");
	assert_string_equal(names[1], "tty2");
	assert_string_equal(names[2], "hvc0");
	/* The same by two names is one. */
	put(s, "proc/consoles", "tty0 -WU (EC p  )    4:2\ntty2 -WU (E  p  )    4:2\n");
	assert_int_equal(consoles_list(s->dir, names), 1);
}

static void without_proc_sysfs_has_the_consoles(void **state)
{
	struct scratch *s = *state;
	char names[CONSOLES_MAX][16];

	assert_int_equal(consoles_list(s->dir, names), 0);
	put(s, "sys/class/tty/console/active", "tty0 ttyS1\n");
	assert_int_equal(consoles_list(s->dir, names), 2);
	assert_string_equal(names[0], "tty1");
	assert_string_equal(names[1], "ttyS1");
	put(s, "sys/class/tty/console/active",
	    "../../x averyveryverylongname a b c d e f g h i j\n");
	assert_int_equal(consoles_list(s->dir, names), CONSOLES_MAX);
	assert_string_equal(names[0], "a");
}

/* A table as the specification has it: a 16550 at I/O port 0x2F8 (or at ADDRESS of SPACE), 115200 bits a second. */
static void put_spcr(const struct scratch *s, uint8_t space, uint64_t address, uint8_t baud)
{
	char path[PATH_MAX];
	uint8_t table[80] = {'S', 'P', 'C', 'R', sizeof(table), 0, 0, 0, 2};

	table[40] = space;
	table[41] = 8;
	for (int i = 0; i < 8; i++)
		table[44 + i] = (uint8_t)(address >> 8 * i);
	table[58] = baud;
	put(s, "sys/firmware/acpi/tables/SPCR", "");
	write_file(scratch_path(s, "sys/firmware/acpi/tables/SPCR", path), table, sizeof(table), 0);
}

static void the_boards_own_line_is_found(void **state)
{
	struct scratch *s = *state;
	unsigned int speed = 1;
	char name[16] = "old";

	put(s, "sys/class/tty/ttyS0/port", "0x3F8\n");
	put(s, "sys/class/tty/ttyS0/type", "4\n");
	put(s, "sys/class/tty/ttyS0/iomem_base", "0x0\n");
	put(s, "sys/class/tty/ttyS1/port", "0x2F8\n");
	put(s, "sys/class/tty/ttyS1/type", "4\n");
	put(s, "sys/class/tty/ttyS4/port", "0x0\n");
	put(s, "sys/class/tty/ttyS4/type", "4\n");
	put(s, "sys/class/tty/ttyS4/iomem_base", "0xFEDC6000\n");
	assert_false(spcr_find(s->dir, name, &speed));
	assert_string_equal(name, "old");
	put_spcr(s, 1, 0x2F8, 7);
	assert_true(spcr_find(s->dir, name, &speed));
	assert_string_equal(name, "ttyS1");
	assert_int_equal(speed, 115200);
	put_spcr(s, 0, 0xFEDC6000, 0);
	assert_true(spcr_find(s->dir, name, &speed));
	assert_string_equal(name, "ttyS4");
	assert_int_equal(speed, 0);
	put_spcr(s, 1, 0x3F8, 3);
	assert_true(spcr_find(s->dir, name, &speed));
	assert_string_equal(name, "ttyS0");
	assert_int_equal(speed, 9600);
}

static void a_line_that_is_none_is_left_alone(void **state)
{
	struct scratch *s = *state;
	unsigned int speed = 1;
	char name[16] = "old";

	put(s, "sys/class/tty/ttyS0/port", "0x3F8\n");
	put(s, "sys/class/tty/ttyS0/type", "0\n");
	put_spcr(s, 1, 0x3F8, 7); /* no chip there */
	assert_false(spcr_find(s->dir, name, &speed));
	put(s, "sys/class/tty/ttyS0/type", "4\n");
	put_spcr(s, 1, 0, 7); /* switched off in the firmware's set-up */
	assert_false(spcr_find(s->dir, name, &speed));
	put_spcr(s, 10, 0x3F8, 7); /* in a space that no line of the kernel's is in */
	assert_false(spcr_find(s->dir, name, &speed));
	put_spcr(s, 1, 0x3E8, 7);
	assert_false(spcr_find(s->dir, name, &speed));
	put(s, "sys/firmware/acpi/tables/SPCR", "SPCR");
	assert_false(spcr_find(s->dir, name, &speed));
	put(s, "sys/firmware/acpi/tables/SPCR", "");
	assert_false(spcr_find(s->dir, name, &speed));
	assert_string_equal(name, "old");
	assert_int_equal(speed, 1);
}

static void terminals_are_what_they_can_do(void **state)
{
	(void)state;
	assert_string_equal(consoles_term("tty1"), "linux");
	assert_string_equal(consoles_term("ttyS0"), "vt220");
	assert_string_equal(consoles_term("ttyUSB0"), "vt220");
	assert_string_equal(consoles_term("hvc0"), "vt220");
}

/* ---- starting again ---- */

static void what_fails_at_once_waits_longer_each_time(void **state)
{
	struct backoff b = {.failures = 0};
	unsigned int wait = 0, before = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		wait = backoff_failed(&b, 100);
		assert_in_range(wait, before ? before : 1, BACKOFF_MAX_MS);
		before = wait;
	}
	assert_int_equal(wait, BACKOFF_MAX_MS);
	/* What worked for a while is started at once again. */
	assert_in_range(backoff_failed(&b, BACKOFF_STEADY_MS), 1, 1000);
	assert_int_equal(b.failures, 1);
}

/* ---- modules ---- */

static void on_idle(void *ctx)
{
	(*(unsigned int *)ctx)++;
}

/* Our modprobe writes down what it is asked for. */
static char *asked(const struct scratch *s, struct modules *m)
{
	static char text[8192];
	char path[PATH_MAX];
	int status, fd;
	ssize_t n;
	pid_t pid;

	while ((pid = waitpid(-1, &status, 0)) > 0)
		modules_reap(m, pid);
	fd = open(scratch_path(s, "asked", path), O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void each_alias_is_asked_for_once(void **state)
{
	struct scratch *s = *state;
	unsigned int idle = 0;
	struct modules *m;
	char *text;

	put(s, "bin/modprobe", "");
	sh("chmod 755 %s/bin/modprobe; printf '#!/bin/sh\\nshift; printf \"%%%%s\\\\n\" \"$@\" "
	   ">>%s/asked\\n' "
	   ">%s/bin/modprobe; mkdir -p %s/lib/modules/$(uname -r); touch %s/lib/modules/$(uname "
	   "-r)/modules.dep",
	   s->dir, s->dir, s->dir, s->dir, s->dir);
	setenv("PATH", scratch_path(s, "bin:/bin:/usr/bin", (char[PATH_MAX]){0}), 1);
	put(s, "sys/devices/pci0/0000:01:00.0/modalias", "pci:v00008086d0000\n");
	put(s, "sys/devices/pci0/0000:01:00.0/usb1/1-1/modalias", "usb:v1D6Bp0002\n");
	put(s, "sys/devices/pci0/0000:02:00.0/modalias", "pci:v00008086d0000\n");
	put(s, "sys/devices/odd/modalias", "--remove=everything\n");
	put(s, "sys/devices/empty/modalias", "");
	assert_true(sh("ln -s ../../pci0 %s/sys/devices/pci0/loop", s->dir));
	assert_int_equal(modules_create(s->dir, on_idle, &idle, &m), 0);
	modules_load_all(m);
	text = asked(s, m);
	assert_int_equal(idle, 1);
	assert_non_null(strstr(text, "pci:v00008086d0000\n"));
	assert_non_null(strstr(text, "usb:v1D6Bp0002\n"));
	assert_null(strstr(strstr(text, "pci:") + 1, "pci:"));
	assert_null(strstr(text, "remove"));
	/* A device that comes later; the same one once more asks for nothing. */
	modules_add(m, "usb:v1D6Bp0002");
	modules_add(m, "usb:v05ACp1234");
	modules_begin(m);
	text = asked(s, m);
	assert_int_equal(idle, 2);
	assert_non_null(strstr(text, "usb:v05ACp1234\n"));
	assert_null(strstr(strstr(text, "usb:v1D6B") + 1, "usb:v1D6B"));
	modules_destroy(m);
}

static void a_kernel_without_modules_asks_for_none(void **state)
{
	struct scratch *s = *state;
	unsigned int idle = 0;
	struct modules *m;

	put(s, "sys/devices/a/modalias", "pci:v1\n");
	assert_int_equal(modules_create(s->dir, on_idle, &idle, &m), 0);
	modules_load_all(m);
	assert_int_equal(idle, 1);
	modules_add(m, "pci:v2");
	modules_begin(m);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	modules_destroy(m);
}

static void wait_long(void)
{
	for (;;)
		pause();
}

static void wait_not(void)
{
}

/* A disk that does not answer holds up whoever writes to it, and not the end of the machine. */
static void what_never_ends_is_left_alone(void **state)
{
	(void)state;
	assert_true(spawn_wait_for(wait_not, DEADLINE_MS));
	assert_false(spawn_wait_for(wait_long, 100));
	assert_true(waitpid(-1, NULL, 0) > 0);
}

static void the_kernels_time_is_kept(void **state)
{
	struct scratch *s = *state;

	assert_false(system_clock_is_set(s->dir));
	put(s, "sys/class/rtc/rtc0/hctosys", "0\n");
	assert_false(system_clock_is_set(s->dir));
	put(s, "sys/class/rtc/rtc0/hctosys", "1\n");
	assert_true(system_clock_is_set(s->dir));
}

/* A board whose battery is empty begins in 1970, 1980 or 2000. */
static void a_time_that_cannot_be_is_said(void **state)
{
	char note[200] = "";

	(void)state;
	assert_false(system_clock_is_possible(0, note, sizeof(note)));
	assert_non_null(
		strstr(note, "the clock says 1970-01-01: the board's battery may be empty"));
	assert_non_null(strstr(note, "hwclock -wu"));
	assert_false(system_clock_is_possible(951782400, note, sizeof(note)));
	assert_non_null(strstr(note, "the clock says 2000-02-29"));
	assert_true(system_clock_is_possible(1790000000, note, sizeof(note)));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_command_line_is_read),
		TEST(what_is_not_understood_is_said),
		TEST(a_hostile_command_line_does_no_harm),
		TEST(consoles_are_the_kernels),
		TEST(without_proc_sysfs_has_the_consoles),
		TEST(the_boards_own_line_is_found),
		TEST(a_line_that_is_none_is_left_alone),
		TEST(terminals_are_what_they_can_do),
		TEST(what_fails_at_once_waits_longer_each_time),
		TEST(each_alias_is_asked_for_once),
		TEST(a_kernel_without_modules_asks_for_none),
		TEST(what_never_ends_is_left_alone),
		TEST(the_kernels_time_is_kept),
		TEST(a_time_that_cannot_be_is_said),
	};

	return cmocka_run_group_tests_name("init", tests, NULL, NULL);
}
