/* The VM as menus are told of it: what becomes of its variables after it has ended. */
#include "launch_session.h"

#include "daemon/machine.h"
#include "daemon/vars_place.h"
#include "vars_test.h"

static void on_changed(void *ctx)
{
	struct run *r = ctx;

	loop_quit(r->loop, 0);
}

static void on_output(void *ctx)
{
	(void)ctx;
}

static void on_status(void *ctx, const struct vmm_status *status)
{
	(void)ctx;
	(void)status;
}

static const struct machine_events machine_events = {
	.changed = on_changed, .output = on_output, .status = on_status};

static struct menu_vm vm_of(const struct machine *m)
{
	struct menu_vm vm;

	machine_describe(m, &vm);
	return vm;
}

/* They were saved, as far as the VM's process knows; but their partition did not take them. */
static void variables_that_did_not_get_to_their_disk_are_not_saved(void **state)
{
	static const char sentence[] =
		" Its UEFI variables last until this machine is switched off: see the log.";
	struct run *r = *state;
	const struct vars_place place = {.store = NULL};
	const struct machine_options options = {.place = &place, .id = "", .note = ""};
	struct machine *m;
	struct vmb_err err;
	char path[PATH_MAX], before[sizeof(vm_of(NULL).text)];

	text_copy(r->config.vars_path, sizeof(r->config.vars_path),
		  scratch_path(r->scratch, "a.vars", path));
	setenv("XDG_STATE_HOME", r->scratch->dir, 1);
	setenv("FAKE_VMM", "vars-live", 1);
	assert_int_equal(machine_create(r->loop, &machine_events, r, &m), 0);
	/* There is none to say it of. */
	machine_vars_unsaved(m);
	assert_string_equal(vm_of(m).text, "");
	if (machine_start(m, &r->config, &options, &err) < 0)
		fail_msg("not started: %s", err.text);
	machine_vars_unsaved(m);
	assert_null(strstr(vm_of(m).text, sentence));
	while (machine_is_active(m))
		loop_run(r->loop);
	assert_int_equal(vm_of(m).state, MENU_VM_ENDED);
	assert_int_equal(vm_of(m).vars_saved, 1);
	assert_int_equal(read_spare(path), 0x11);
	text_copy(before, sizeof(before), vm_of(m).text);
	for (int i = 0; i < 2; i++) {
		struct menu_vm vm;

		machine_vars_unsaved(m);
		vm = vm_of(m);
		assert_int_equal(vm.vars_saved, 0);
		assert_true(strncmp(vm.text, before, strlen(before)) == 0);
		assert_string_equal(vm.text + strlen(before), sentence);
	}
	machine_destroy(m);
	unsetenv("XDG_STATE_HOME");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			variables_that_did_not_get_to_their_disk_are_not_saved, setup, teardown),
	};
	int status;

	if (launch_session_role(argc, argv, &status))
		return status;
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
