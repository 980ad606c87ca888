/* The entry editor and the checklist as an operator has them: what is typed, refused, saved, started. */
#include "test.h"

#include "menu_keys.h"
#include "menu_session.h"

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
	/* An odd amount of memory is the same when it is edited again. */
	go_down(s, MEMORY - 1);
	session_keys(s, CTRL_U "1100M" CTRL_S);
	session_wait_count(s, save, 3);
	session_wait_gone(s, "Entry new-entry *");
	session_keys(s, "\033");
	session_wait(s, "7 entries");
	session_keys(s, "/new entry\r" END "e");
	session_wait(s, "[1100M ");
	session_keys(s, "q");
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
	/* What is not free now may be when it is started: it can be kept. */
	session_wait(s, "6G free, 8G asked: will not start.");
	session_wait(s, "It will not start: ");
	session_keys(s, "\030");
	session_wait(s, "It will not start like this");
	session_keys(s, "q" CTRL_U "32G" "\030");
	session_wait(s, "Not started: 32G asked, this host has 16G");
	/* Blanks, which nobody sees, are no part of it. */
	session_keys(s, CTRL_U " 1G " DOWN CTRL_U " 3 ");
	session_wait(s, "1G of 6G free   3 of 8 CPUs");
	session_keys(s, CTRL_U "12");
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
	session_wait(s, "forget it?");
	session_keys(s, "y");
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
	session_keys(s, "\r");
	session_wait_gone(s, "in use already");
	session_keys(s, CTRL_S);
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
	session_wait(s, "It will not start: the disk serial:ZC1000 is not connected. ");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_editor_values_reach_the_daemon),
		cmocka_unit_test(test_editor_saves),
		cmocka_unit_test(test_editor_refuses_bad_values),
		cmocka_unit_test(test_editor_kernel),
		cmocka_unit_test(test_save_fails),
		cmocka_unit_test(test_checklist_offers_what_helps),
		cmocka_unit_test(test_checklist_without_kvm),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_editor", tests, NULL, NULL);
}
