/* vmboot check: FILE:LINE: MESSAGE for what is wrong, and the exit status; whose signatures it takes. */
#include "sign_test.h"
#include "storage_test.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"

static char out[8192];

/* What `vmboot ARGV` (of which the first is "check") prints is in OUT; its status. */
static int run(const struct scratch *s, int argc, char **argv)
{
	char path[PATH_MAX];
	int saved = dup(STDOUT_FILENO), fd, status;
	ssize_t n;

	fflush(stdout);
	fd = open(scratch_path(s, "out", path), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	status = cmd_check(argc, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = pread(fd, out, sizeof(out) - 1, 0);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return status;
}

static int check(const struct scratch *s, char *first, char *second)
{
	char name[] = "check";
	char *argv[] = {name, first, second, NULL};

	return run(s, second ? 3 : 2, argv);
}

static void a_whole_directory_is_checked(void **state)
{
	struct scratch *s = *state;
	char option[] = "--config", want[2048];

	assert_true(sh("cd %s; mkdir entries; printf 'default = a\\ntimeout = 5\\n' >vmboot.conf; "
		       "printf 'title = A\\nfirmware = /fw.fd\\n' >entries/a.conf",
		       s->dir));
	assert_int_equal(check(s, option, s->dir), 0);
	assert_string_equal(out, "");
	assert_true(sh("cd %s; printf 'default = x\\ntimout = 5\\nmenu = off\\n' >vmboot.conf; "
		       "printf 'firmware = /fw.fd\\n\\ndisk = serial:A,rw\\n' >entries/b.conf",
		       s->dir));
	assert_int_equal(check(s, option, s->dir), 1);
	snprintf(want, sizeof(want),
		 "%s/vmboot.conf:2: warning: \"timout\" is not known; expected ", s->dir);
	assert_memory_equal(out, want, strlen(want));
	snprintf(want, sizeof(want),
		 "\n%s/vmboot.conf:3: \"off\" is not known here; expected shown or hidden.\n"
		 "%s/entries/b.conf:3: Disk serial:A: unknown option \"rw\"; known are ",
		 s->dir, s->dir);
	assert_non_null(strstr(out, want));
	snprintf(want, sizeof(want),
		 "\n%s/vmboot.conf:1: The default is x, but there is no "
		 "entries/x.conf.\n",
		 s->dir);
	assert_non_null(strstr(out, want));
}

static void warnings_alone_are_no_failure(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];

	scratch_path(s, "a.conf", path);
	write_file(path, "firmware = /fw.fd\nfuture = 1\n", 29, 0);
	assert_int_equal(check(s, path, NULL), 0);
	assert_non_null(strstr(out, "a.conf:2: warning: \"future\" is not known; "));
}

static void what_cannot_be_read_is_an_error(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX], nowhere[] = "/nowhere/\033[2J.conf";

	assert_int_equal(check(s, nowhere, NULL), 1);
	assert_string_equal(out,
			    "/nowhere/\\x1b[2J.conf:1: This file cannot be read: No such file or "
			    "directory.\n");
	assert_int_equal(check(s, s->dir, NULL), 1);
	scratch_path(s, "big.conf", path);
	write_file(path, "", 0, 40000);
	assert_int_equal(check(s, path, NULL), 1);
	assert_non_null(strstr(out, "bigger than 32 KiB"));
}

/* ---- --sign-check ---- */

/* `vmboot check --config DIR --sign-check FILE`. */
static int sign_check(struct scratch *s, char *file)
{
	char name[] = "check", config[] = "--config", option[] = "--sign-check";
	char *argv[] = {name, config, s->dir, option, file, NULL};

	return run(s, 5, argv);
}

/* A vmboot.conf that trusts SIGNER's key, and fw.fd with "firmware" in it. */
static void trust_only(const struct scratch *s, const struct signer *signer, char *file)
{
	char path[PATH_MAX], text[256];

	snprintf(text, sizeof(text), "trust = require\ntrust-key = %s\n", signer->pub);
	write_file(scratch_path(s, "vmboot.conf", path), text, strlen(text), 0);
	write_file(scratch_path(s, "fw.fd", file), "firmware", 8, 0);
}

static void sign_file(const struct signer *signer, enum form form, const char *file)
{
	char path[PATH_MAX], text[TRUST_SIGNATURE_MAX];
	size_t n = sign(signer, form, "firmware", 8, "of a test", text);

	snprintf(path, sizeof(path), "%s%s", file, form == SIGNIFY ? ".sig" : ".minisig");
	write_file(path, text, n, 0);
}

static void assert_said(const char *file, const char *what)
{
	char want[PATH_MAX + 128];

	snprintf(want, sizeof(want), "%s: %s\n", file, what);
	assert_string_equal(out, want);
}

static void a_signature_of_a_trusted_key_is_good(void **state)
{
	struct scratch *s = *state;
	char file[PATH_MAX];
	struct signer signer;

	make_signer(&signer, 1);
	trust_only(s, &signer, file);
	sign_file(&signer, MINISIGN, file);
	assert_int_equal(sign_check(s, file), 0);
	assert_said(file, "is signed by a trusted key");
	assert_true(sh("rm %s.minisig", file));
	sign_file(&signer, SIGNIFY, file);
	assert_int_equal(sign_check(s, file), 0);
	assert_said(file, "is signed by a trusted key");
}

static void what_was_changed_after_signing_fails(void **state)
{
	struct scratch *s = *state;
	char file[PATH_MAX];
	struct signer signer;

	make_signer(&signer, 1);
	trust_only(s, &signer, file);
	sign_file(&signer, MINISIGN, file);
	write_file(file, "firmwarf", 8, 0);
	assert_int_equal(sign_check(s, file), 1);
	assert_said(file, "is not what was signed: it was changed");
}

/* It is being copied anew, say: whatever is read of it, there is an answer. */
static void a_file_that_shrinks_meanwhile_is_answered_for(void **state)
{
	struct scratch *s = *state;
	char file[PATH_MAX];
	struct signer signer;
	pid_t other;

	make_signer(&signer, 1);
	trust_only(s, &signer, file);
	sign_file(&signer, MINISIGN, file);
	assert_int_equal(truncate(file, 0), 0);
	other = fork();
	if (other == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (other == 0)
		if (truncate(file, 0) < 0 || truncate(file, 8 << 20) < 0)
			_exit(1);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(sign_check(s, file), 1);
		assert_said(file, "is not what was signed: it was changed");
	}
	assert_int_equal(kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

static void no_signature_or_no_file_fails(void **state)
{
	struct scratch *s = *state;
	char file[PATH_MAX], nowhere[] = "/nowhere/fw.fd";
	struct signer signer;

	make_signer(&signer, 1);
	trust_only(s, &signer, file);
	assert_int_equal(sign_check(s, file), 1);
	assert_said(file, "has no signature (FILE.minisig or FILE.sig)");
	assert_int_equal(sign_check(s, nowhere), 1);
	assert_said(nowhere, "cannot be read: No such file or directory");
}

static void a_key_nobody_trusts_fails(void **state)
{
	struct scratch *s = *state;
	struct signer trusted, other;
	char file[PATH_MAX];

	make_signer(&trusted, 1);
	make_signer(&other, 2);
	trust_only(s, &trusted, file);
	sign_file(&other, MINISIGN, file);
	assert_int_equal(sign_check(s, file), 1);
	assert_said(file, "is signed by a key that is not trusted");
	/* Settings that trust no key at all trust this one neither. */
	assert_true(sh("rm %s/vmboot.conf", s->dir));
	assert_int_equal(sign_check(s, file), 1);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_directory_is_checked, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(warnings_alone_are_no_failure, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_an_error, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_signature_of_a_trusted_key_is_good, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(what_was_changed_after_signing_fails, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_file_that_shrinks_meanwhile_is_answered_for,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(no_signature_or_no_file_fails, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_key_nobody_trusts_fails, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
