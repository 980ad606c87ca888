/*
 * A launcher, the loop that it lives in, and what it tells. Its vmm is the one of fake_vmm.h, and its probes are this
 * test's own binary: see launch_session_role().
 */
#ifndef VMB_TESTS_UNIT_LAUNCH_SESSION_H
#define VMB_TESTS_UNIT_LAUNCH_SESSION_H

#include "storage_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "cmd/cmd.h"
#include "fake_vmm.h"
#include "launch.h"
#include "log.h"
#include "text.h"

#define DEADLINE_MS 20000
/* For a test that has its own idea of loop_add_timer(). */
#ifndef SESSION_ADD_TIMER
#define SESSION_ADD_TIMER loop_add_timer
#endif

int __wrap_host_check_kvm(struct vmb_err *err);
static int kvm_errno; /* what opening /dev/kvm answers */

int __wrap_host_check_kvm(struct vmb_err *err)
{
	if (kvm_errno)
		return vmb_err_set(err, kvm_errno, "No KVM here.");
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

struct run {
	struct scratch *scratch;
	struct loop *loop;
	struct launch *launch;
	struct vm_config config;
	struct launch_trust trust;
	struct vmm_exited exited;
	char warning[480];
	bool ended;
	int started, resets, input_ready;
	char *console;
	size_t console_len;
	const char *stop_at; /* launch_stop() when the console shows this */
	void (*on_started)(struct run *r);
};

static inline void started(void *ctx)
{
	struct run *r = ctx;

	r->started++;
	if (r->on_started)
		r->on_started(r);
}

static inline void was_reset(void *ctx)
{
	struct run *r = ctx;

	r->resets++;
}

static inline void console(void *ctx, const uint8_t *buf, size_t n)
{
	struct run *r = ctx;

	r->console = realloc(r->console, r->console_len + n + 1);
	memcpy(r->console + r->console_len, buf, n);
	r->console_len += n;
	r->console[r->console_len] = '\0';
	if (r->stop_at && strstr(r->console, r->stop_at)) {
		r->stop_at = NULL;
		launch_stop(r->launch);
	}
}

static inline void input_ready(void *ctx)
{
	struct run *r = ctx;

	r->input_ready++;
}

static inline void ended(void *ctx, const struct vmm_exited *exited, const char *warning)
{
	struct run *r = ctx;

	r->ended = true;
	r->exited = *exited;
	text_copy(r->warning, sizeof(r->warning), warning ? warning : "");
	launch_destroy(r->launch);
	r->launch = NULL;
	loop_quit(r->loop, 0);
}

static const struct launch_events events = {
	.started = started,
	.was_reset = was_reset,
	.console = console,
	.input_ready = input_ready,
	.ended = ended,
};

static inline void too_slow(void *arg)
{
	struct run *r = arg;

	loop_quit(r->loop, 1);
}

static inline int setup(void **state)
{
	struct run *r = calloc(1, sizeof(*r));
	char path[PATH_MAX];
	void *scratch;

	if (scratch_setup(&scratch) < 0 || loop_create(&r->loop) < 0)
		return -1;
	kvm_errno = 0;
	r->scratch = scratch;
	vm_config_init(&r->config);
	r->config.memory = 64 << 20;
	fake_firmware(scratch_path(r->scratch, "fw.fd", path));
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), path);
	*state = r;
	return 0;
}

static inline int teardown(void **state)
{
	struct run *r = *state;
	void *scratch = r->scratch;

	launch_destroy(r->launch);
	loop_destroy(r->loop);
	free(r->console);
	free(r);
	return scratch_teardown(&scratch);
}

static inline int try_start(struct run *r, const char *how, struct vmb_err *err)
{
	setenv("FAKE_VMM", how, 1);
	memset(err, 0, sizeof(*err));
	return launch_start(r->loop, &r->config, NULL, r->trust.policy ? &r->trust : NULL, &events, r,
			    &r->launch, err);
}

static inline void start(struct run *r, const char *how)
{
	struct vmb_err err;

	if (try_start(r, how, &err) < 0)
		fail_msg("not started: %s", err.text);
}

static inline void wait_end(struct run *r)
{
	struct loop_timer *timer;

	assert_int_equal(SESSION_ADD_TIMER(r->loop, DEADLINE_MS, too_slow, r, &timer), 0);
	if (loop_run(r->loop) != 0)
		fail_msg("the VM did not end");
	loop_remove_timer(timer);
	assert_true(r->ended);
}

static inline void run_for(struct run *r, uint64_t msec)
{
	struct loop_timer *timer;

	assert_int_equal(loop_add_timer(r->loop, msec, too_slow, r, &timer), 0);
	loop_run(r->loop);
}

/* Starts a VM that is to end by itself. */
static inline void run(struct run *r, const char *how)
{
	r->ended = false;
	start(r, how);
	wait_end(r);
}

static inline void refused(struct run *r, int code, const char *words)
{
	struct vmb_err err;
	int rc = try_start(r, "", &err);

	assert_int_equal(rc, -code);
	assert_null(r->launch);
	if (!strstr(err.text, words))
		fail_msg("the sentence misses \"%s\": %s", words, err.text);
}

/* True: this process is a vmm or a probe that the launcher started; its exit status is in *ret_status. */
static inline bool launch_session_role(int argc, char **argv, int *ret_status)
{
	if (argc > 1 && strcmp(argv[1], "vmm") == 0)
		*ret_status = fake_vmm_main();
	else if (argc > 1 && strcmp(argv[1], "probe") == 0)
		*ret_status = cmd_probe(argc - 1, argv + 1);
	else
		return false;
	return true;
}

#endif
