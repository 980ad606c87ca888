/* What menus can ask the daemon for beside a VM: entries, settings, the countdown, the log, the lock. */
#include "daemon_session.h"

#include "log.h"

/* The next whole list of entries; the one called ID of it, NULL when there is none. */
static const struct menu_entry *hear_entry(struct fixture *f, int sock, const char *id)
{
	static struct menu_entry found;
	struct menu_list list;
	bool any = false;

	do {
		int size = hear_type(f, sock, MENU_ENTRIES);

		memcpy(&list, f->body, sizeof(list));
		assert_int_equal(size, sizeof(list) + list.count * sizeof(found));
		for (uint32_t i = 0; i < list.count; i++) {
			struct menu_entry *e = (struct menu_entry *)(f->body + sizeof(list)) + i;

			if (strcmp(e->id, id) == 0) {
				found = *e;
				any = true;
			}
		}
	} while (!list.last);
	return any ? &found : NULL;
}

static void entries_are_saved_and_every_menu_is_told(void **state)
{
	struct fixture *f = *state;
	const struct menu_entry_id *saved = (const struct menu_entry_id *)f->body;
	struct menu_entry_save save = {.autostart = 1};
	const struct menu_entry *entry;
	int one, two;

	start_listening(f, "");
	one = connect_menu(f);
	two = connect_menu(f);
	greet(f, one);
	greet(f, two);
	save.config = f->config;
	strcpy(save.config.title, "From a menu");
	tell(one, MENU_ENTRY_SAVE, &save, sizeof(save));
	hear_type(f, one, MENU_ENTRY_SAVED);
	assert_string_equal(saved->id, "from-a-menu");
	do
		entry = hear_entry(f, two, "from-a-menu");
	while (!entry);
	assert_string_equal(entry->config.title, "From a menu");
	assert_int_equal(entry->writable, 1);
	assert_true(
		sh("grep -q '^title = From a menu$' %s/entries/from-a-menu.conf", f->config_path));
	tell_id(two, MENU_ENTRY_SET_DEFAULT, "from-a-menu");
	do
		entry = hear_entry(f, one, "from-a-menu");
	while (!entry || !entry->is_default);
	tell_id(two, MENU_ENTRY_DELETE, "from-a-menu");
	while (hear_entry(f, one, "from-a-menu"))
		;
	tell_id(two, MENU_ENTRY_DELETE, "from-a-menu");
	expect_refusal(f, two, MENU_ENTRY_DELETE, "There is no entry from-a-menu any more.");
	close(one);
	close(two);
}

static void an_entry_starts_by_its_id(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "title = By id\n");
	put_entry(f, "gone", "disk = serial:XYZ\n");
	start_daemon(f, "");
	greet(f, f->sock);
	tell_id(f->sock, MENU_ENTRY_START, "nope");
	expect_refusal(f, f->sock, MENU_ENTRY_START, "There is no entry nope any more.");
	tell_id(f->sock, MENU_ENTRY_START, "gone");
	expect_refusal(f, f->sock, MENU_ENTRY_START, "Disk serial:XYZ is not there.");
	tell_id(f->sock, MENU_ENTRY_START, "a");
	assert_string_equal(hear_vm(f, f->sock, MENU_VM_RUNNING)->id, "a");
	assert_string_equal(((struct menu_vm *)f->body)->config.title, "By id");
	assert_int_equal(((struct menu_vm *)f->body)->by_itself, 0);
}

static void the_default_starts_without_any_menu(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 1\n");
	start_listening(f, "echo");
	/* Nobody is there, and nobody is needed: the start is counted in the store. */
	for (int i = 0; i < DEADLINE_MS / 50 &&
			!sh("grep -q '^failed = a 1$' %s/state.conf 2>/dev/null", f->config_path);
	     i++)
		usleep(50000);
	f->sock = connect_menu(f);
	greet(f, f->sock);
	assert_int_equal(hear_vm(f, f->sock, MENU_VM_RUNNING)->by_itself, 1);
	assert_string_equal(((struct menu_vm *)f->body)->id, "a");
	/* Whoever types first has the keyboard of what nobody started. */
	assert_int_equal(((struct menu_vm *)f->body)->keyboard, 0);
}

static void a_key_in_one_menu_pauses_the_countdown_of_all(void **state)
{
	struct fixture *f = *state;
	struct menu_countdown *c = (struct menu_countdown *)f->body;
	int one, two;

	put_entry(f, "a", "title = The default\n");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 600\nrearm = 700\n");
	start_listening(f, "");
	one = connect_menu(f);
	two = connect_menu(f);
	greet(f, one);
	greet(f, two);
	do
		assert_int_equal(hear_type(f, one, MENU_COUNTDOWN), sizeof(*c));
	while (c->state != MENU_COUNTDOWN_RUNNING);
	assert_string_equal(c->title, "The default");
	assert_true(c->seconds <= 600 && c->seconds > 500);
	tell(one, MENU_COUNTDOWN_PAUSE, NULL, 0);
	do
		hear_type(f, two, MENU_COUNTDOWN);
	while (c->state != MENU_COUNTDOWN_PAUSED);
	assert_true(c->seconds <= 700 && c->seconds > 500);
	tell(two, MENU_COUNTDOWN_CANCEL, NULL, 0);
	do
		hear_type(f, one, MENU_COUNTDOWN);
	while (c->state != MENU_COUNTDOWN_OFF);
	close(one);
	close(two);
}

static void settings_are_saved_and_checked(void **state)
{
	struct fixture *f = *state;
	struct menu_settings *told = (struct menu_settings *)f->body, values;

	put_file(f, "vmboot.conf", "# mine\ntimout = 3\n");
	start_daemon(f, "");
	greet(f, f->sock);
	assert_int_equal(hear_type(f, f->sock, MENU_SETTINGS), sizeof(*told));
	values = *told;
	assert_int_equal(values.problem_count, 1);
	assert_int_equal(values.store_state, MENU_STORE_OK);
	assert_string_equal(values.store, f->config_path);
	values.timeout_s = 42;
	strcpy(values.theme, "amber");
	tell(f->sock, MENU_SETTINGS_SAVE, &values, sizeof(values));
	do
		hear_type(f, f->sock, MENU_SETTINGS);
	while (told->timeout_s != 42);
	assert_string_equal(told->theme, "amber");
	assert_true(
		sh("grep -q '^timeout = 42$' %s/vmboot.conf && grep -q '^# mine$' %s/vmboot.conf",
		   f->config_path, f->config_path));
	values.trust = MENU_TRUST_REQUIRE;
	tell(f->sock, MENU_SETTINGS_SAVE, &values, sizeof(values));
	expect_refusal(f, f->sock, MENU_SETTINGS_SAVE, "No key is trusted yet");
	values.trust = MENU_TRUST_OFF;
	values.prefix_key = 'x';
	tell(f->sock, MENU_SETTINGS_SAVE, &values, sizeof(values));
	expect_refusal(f, f->sock, MENU_SETTINGS_SAVE,
		       "The prefix key must be a control character");
}

/* Is a device called NAME in the part of the list that was heard last? */
static bool hears_device(const struct fixture *f, const char *name)
{
	struct menu_device device;
	struct menu_list list;

	memcpy(&list, f->body, sizeof(list));
	for (uint32_t i = 0; i < list.count; i++) {
		memcpy(&device, f->body + sizeof(list) + i * sizeof(device), sizeof(device));
		if (strcmp(device.name, name) == 0)
			return true;
	}
	return false;
}

static void images_come_from_the_directory_of_the_settings(void **state)
{
	struct fixture *f = *state;
	struct menu_settings values;
	char path[PATH_MAX];

	assert_true(sh("mkdir %s/isos && truncate -s 1M %s/isos/one.img %s/isos/two.img",
		       f->scratch->dir, f->scratch->dir, f->scratch->dir));
	scratch_path(f->scratch, "isos", path);
	start_daemon(f, "");
	greet(f, f->sock);
	assert_int_equal(hear_type(f, f->sock, MENU_SETTINGS), sizeof(values));
	memcpy(&values, f->body, sizeof(values));
	text_copy(values.images, sizeof(values.images), path);
	tell(f->sock, MENU_SETTINGS_SAVE, &values, sizeof(values));
	do
		hear_type(f, f->sock, MENU_DEVICES);
	while (!hears_device(f, "one.img"));
	assert_true(hears_device(f, "two.img"));
}

/* Follows until a line that has WORDS. */
static struct menu_log_line hear_log(struct fixture *f, const char *words)
{
	for (;;) {
		int size = hear_type(f, f->sock, MENU_LOG);
		struct menu_list list;

		memcpy(&list, f->body, sizeof(list));
		assert_int_equal(size, sizeof(list) + list.count * sizeof(struct menu_log_line));
		for (uint32_t i = 0; i < list.count; i++) {
			struct menu_log_line line;

			memcpy(&line, f->body + sizeof(list) + i * sizeof(line), sizeof(line));
			if (strstr(line.text, words))
				return line;
		}
	}
}

static void the_log_is_told_and_followed(void **state)
{
	struct fixture *f = *state;
	struct menu_log_state *log = (struct menu_log_state *)f->body;
	struct menu_log_line line;
	uint64_t from = 1;

	put_file(f, "vmboot.conf", "timout = 3\n");
	start_daemon(f, "");
	greet(f, f->sock);
	do
		assert_int_equal(hear_type(f, f->sock, MENU_LOG_STATE), sizeof(*log));
	while (log->problems == 0);
	tell(f->sock, MENU_LOG_FOLLOW, &from, sizeof(from));
	line = hear_log(f, "vmboot.conf:1: \"timout\" is not known");
	assert_int_equal(line.level, LOG_LEVEL_WARN);
	assert_string_equal(line.source, "test");
	assert_true(line.seq >= 1);
	/* What comes later comes, too; also what a vmm process says. */
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	tell(f->sock, MENU_VM_KILL, NULL, 0);
	line = hear_log(f, "the virtual machine ended");
	assert_int_equal(line.level, LOG_LEVEL_INFO);
}

/* Settings with the password "open sesame". */
static void put_password(const struct fixture *f)
{
	put_file(f, "vmboot.conf",
		 "default = a\ntimeout = off\npassword = "
		 "$6$abcdefgh$CkjGkP7IIgZVUCNlt.Vi53LOYJLXZ5KzdpzEYC"
		 "j01XGruA1hxZYJqccTU2zz68oJwAGsd1iPty5F7dHIatUTy/\n");
}

/* Waits until the menu on SOCK is told that it is LOCKED or not. */
static void hear_locked(struct fixture *f, int sock, bool locked)
{
	const struct menu_lock_state *lock = (const struct menu_lock_state *)f->body;

	do
		hear_type(f, sock, MENU_LOCK_STATE);
	while (lock->locked != locked);
}

/* Who set it goes on; all others are locked at once; the file has a hash, the log nothing of it. */
static void a_password_is_set_by_a_menu(void **state)
{
	struct fixture *f = *state;
	int one, two;

	assert_true(sh("echo 'timeout = 5' >%s/vmboot.conf; chmod 644 %s/vmboot.conf",
		       f->config_path, f->config_path));
	start_listening(f, "");
	one = connect_menu(f);
	two = connect_menu(f);
	greet(f, one);
	greet(f, two);
	tell(one, MENU_PASSWORD, "xyzzy", 5);
	hear_locked(f, two, true);
	tell(two, MENU_PASSWORD, NULL, 0);
	expect_refusal(f, two, MENU_PASSWORD, "The menu is locked");
	assert_true(sh("grep -qF 'password = $6$' %s/vmboot.conf", f->config_path));
	/* Nor can others of this host read the hash, though they could read the settings. */
	assert_true(sh("[ $(stat -c %%a %s/vmboot.conf) = 640 ]", f->config_path));
	assert_false(sh("grep -rq xyzzy %s", f->config_path));
	tell(two, MENU_UNLOCK, "xyzzy", 5);
	hear_locked(f, two, false);
	/* Another one: who had unlocked with the old one is locked again. */
	tell(two, MENU_PASSWORD, "plugh", 5);
	hear_locked(f, one, true);
	tell(one, MENU_UNLOCK, "xyzzy", 5);
	expect_refusal(f, one, MENU_UNLOCK, "Wrong password.");
	tell(two, MENU_PASSWORD, NULL, 0);
	hear_locked(f, one, false);
	assert_false(sh("grep -q password %s/vmboot.conf", f->config_path));
	/* What cannot be typed is nothing a menu sends. */
	tell(one, MENU_PASSWORD, "a\0b", 3);
	assert_dropped(f, one);
	close(one);
	close(two);
}

static void a_password_locks_all_but_the_default(void **state)
{
	struct fixture *f = *state;
	struct menu_lock_state *lock = (struct menu_lock_state *)f->body;
	struct menu_entry_save save = {.autostart = 1};

	put_entry(f, "a", "");
	put_entry(f, "b", "");
	put_password(f);
	start_daemon(f, "");
	greet(f, f->sock);
	assert_int_equal(hear_type(f, f->sock, MENU_LOCK_STATE), sizeof(*lock));
	assert_int_equal(lock->has_password, 1);
	assert_int_equal(lock->locked, 1);
	tell_id(f->sock, MENU_ENTRY_START, "b");
	expect_refusal(f, f->sock, MENU_ENTRY_START, "The menu is locked: only the default entry");
	start_vm(f, f->sock);
	expect_refusal(f, f->sock, MENU_START, "The menu is locked");
	tell_id(f->sock, MENU_ENTRY_SET_ONCE, "b");
	expect_refusal(f, f->sock, MENU_ENTRY_SET_ONCE, "The menu is locked");
	tell(f->sock, MENU_ENTRY_SAVE, &save, sizeof(save));
	expect_refusal(f, f->sock, MENU_ENTRY_SAVE, "The menu is locked");
	tell(f->sock, MENU_UNLOCK, "open", 4);
	expect_refusal(f, f->sock, MENU_UNLOCK, "Wrong password.");
	/* Trying them out one after the other takes a second each. */
	tell(f->sock, MENU_UNLOCK, "open sesame", 11);
	expect_refusal(f, f->sock, MENU_UNLOCK, "Wrong password a moment ago.");
	usleep(1100000);
	tell(f->sock, MENU_UNLOCK, "open sesame", 11);
	do
		hear_type(f, f->sock, MENU_LOCK_STATE);
	while (lock->locked);
	tell_id(f->sock, MENU_ENTRY_SET_ONCE, "b");
	while (!hear_entry(f, f->sock, "b")->is_once)
		;
	tell(f->sock, MENU_LOCK, NULL, 0);
	do
		hear_type(f, f->sock, MENU_LOCK_STATE);
	while (!lock->locked);
	tell_id(f->sock, MENU_ENTRY_START, "a");
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	tell(f->sock, MENU_VM_KILL, NULL, 0);
	expect_refusal(f, f->sock, MENU_VM_KILL, "The menu is locked");
}

static void nonsense_is_dropped_or_refused(void **state)
{
	struct fixture *f = *state;
	struct menu_entry_save save;
	int sock;

	start_listening(f, "");
	sock = connect_menu(f);
	greet(f, sock);
	memset(&save, 0xFF, sizeof(save));
	tell(sock, MENU_ENTRY_SAVE, &save, sizeof(save));
	expect_refusal(f, sock, MENU_ENTRY_SAVE, "This entry was not made by vmboot.");
	tell_id(sock, MENU_ENTRY_START, "../../etc/passwd");
	expect_refusal(f, sock, MENU_ENTRY_START, "There is no entry ../../etc/passwd any more.");
	tell(sock, MENU_ENTRY_SAVE, &save, 10);
	assert_dropped(f, sock);
	close(sock);
	sock = connect_menu(f);
	greet(f, sock);
	tell(sock, MENU_UNLOCK, NULL, 0);
	assert_dropped(f, sock);
	close(sock);
}

static void interfaces_are_listed_on_request(void **state)
{
	struct fixture *f = *state;
	struct menu_list list;
	int size;

	start_daemon(f, "");
	greet(f, f->sock);
	tell(f->sock, MENU_NICS_GET, NULL, 0);
	size = hear_type(f, f->sock, MENU_NICS);
	memcpy(&list, f->body, sizeof(list));
	assert_int_equal(size, sizeof(list) + list.count * sizeof(struct menu_nic));
	assert_int_equal(list.first && list.last, 1);
}

static void pci_devices_are_listed_on_request(void **state)
{
	struct fixture *f = *state;
	struct menu_pci_state pci;
	struct menu_list list;
	int size;

	start_daemon(f, "");
	greet(f, f->sock);
	tell(f->sock, MENU_PCI_GET, NULL, 0);
	assert_int_equal(hear_type(f, f->sock, MENU_PCI_STATE), sizeof(pci));
	memcpy(&pci, f->body, sizeof(pci));
	assert_true(pci.usable || pci.text[0]);
	size = hear_type(f, f->sock, MENU_PCI);
	memcpy(&list, f->body, sizeof(list));
	assert_int_equal(size, sizeof(list) + list.count * sizeof(struct menu_pci));
	assert_int_equal(list.first, 1);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(entries_are_saved_and_every_menu_is_told),
		TEST(an_entry_starts_by_its_id),
		TEST(the_default_starts_without_any_menu),
		TEST(a_key_in_one_menu_pauses_the_countdown_of_all),
		TEST(settings_are_saved_and_checked),
		TEST(images_come_from_the_directory_of_the_settings),
		TEST(the_log_is_told_and_followed),
		TEST(a_password_locks_all_but_the_default),
		TEST(a_password_is_set_by_a_menu),
		TEST(nonsense_is_dropped_or_refused),
		TEST(interfaces_are_listed_on_request),
		TEST(pci_devices_are_listed_on_request),
	};
	int status;

	if (daemon_session_role(argc, argv, &status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
