/*
 * What a power cut leaves of a FAT is mended when it is what a save leaves, and is left alone when a file has something
 * wrong; and no fsck.fat, however bad, takes longer than it may or is believed without a look.
 */
#include "storage_test.h"

#include <errno.h>

#include "log.h"
#include "loop.h"
#include "storage.h"
#include "storage/fsck.h"
#include "storage/mend.h"

#define LIMIT_MS 20000 /* of a machine with much to do */

struct fixture {
	struct scratch *scratch;
	char image[PATH_MAX], program[PATH_MAX];
	off_t mark;
	struct vmb_err err;
};

/* The mark at each fsync(): what is on the disk with what was written before it. */
static struct {
	const char *image;
	off_t mark;
	int count;
	uint8_t seen[8];
} synced;

static uint8_t byte_at(const char *path, off_t at)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	close(fd);
	return byte;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	if (synced.image && synced.count < 8)
		synced.seen[synced.count++] = byte_at(synced.image, synced.mark);
	return __real_fsync(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	log_init(-1, LOG_LEVEL_ERROR, "test");
	if (scratch_setup(&scratch) < 0)
		return -1;
	f->scratch = scratch;
	scratch_path(f->scratch, "fat.img", f->image);
	scratch_path(f->scratch, "fsck.fat", f->program);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	synced.image = NULL;
	free(f);
	return scratch_teardown(&scratch);
}

static void put_byte(const struct fixture *f, off_t at, uint8_t byte)
{
	int fd = open(f->image, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Where the directory entry with the short name NAME ("A       TXT") is. */
static off_t entry_of(const struct fixture *f, const char *name)
{
	int fd = open(f->image, O_RDONLY | O_CLOEXEC);
	char entry[32];

	for (off_t at = 0; pread(fd, entry, 32, at) == 32; at += 32)
		if (memcmp(entry, name, 11) == 0) {
			close(fd);
			return at;
		}
	fail_msg("there is no %s", name);
	return 0;
}

/* A FAT of BITS with some settings, that somebody has mounted for writing. */
static void make_fat(struct fixture *f, int bits)
{
	NEED_TOOL("mkfs.vfat");
	NEED_TOOL("mcopy");
	f->mark = bits == 32 ? 0x41 : 0x25;
	write_file(f->image, "", 0, bits == 32 ? 40 << 20 : 4 << 20);
	assert_true(sh("mkfs.vfat -F %d -s %d -n VMBOOT %s >/dev/null && cd %s && "
		       "head -c 5000 /dev/urandom >A.TXT && head -c 3000 /dev/urandom >B.TXT && "
		       "mmd -i fat.img ::/entries && mcopy -i fat.img A.TXT B.TXT ::/ && "
		       "mcopy -i fat.img B.TXT ::/entries/debian.conf",
		       bits, bits == 12 ? 4 : 1, f->image, f->scratch->dir));
	put_byte(f, f->mark, 1);
}

static void add_file(const struct fixture *f, const char *name)
{
	assert_true(sh("cd %s && mcopy -i fat.img B.TXT ::/%s", f->scratch->dir, name));
}

static bool is_clean(const struct fixture *f)
{
	return sh("fsck.fat -n %s >/dev/null", f->image);
}

static void expect_settings(const struct fixture *f)
{
	assert_true(sh("cd %s && mtype -i fat.img ::/A.TXT | cmp - A.TXT && "
		       "mtype -i fat.img ::/entries/debian.conf | cmp - B.TXT",
		       f->scratch->dir));
}

static int mend(struct fixture *f)
{
	assert_non_null(fsck_find());
	return mend_fat(fsck_find(), f->image, LIMIT_MS, &f->err);
}

/* What a save leaves: the file that it makes, blocks of nobody, and another name for a file's blocks. */
static void what_an_unfinished_save_leaves_is_mended(void **state)
{
	static const int sizes[] = {12, 16, 32};
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		off_t lost, twice, file;

		make_fat(f, sizes[i]);
		add_file(f, "VMBOOT.NEW");
		add_file(f, "entries/VMBOOT.NEW");
		add_file(f, "LOST.BIN");
		assert_true(sh("mmd -i %s ::/VMBOOT.DIR", f->image));
		lost = entry_of(f, "LOST    BIN");
		put_byte(f, lost, 0xE5);
		twice = entry_of(f, "VMBOOT  NEW");
		file = entry_of(f, "A       TXT");
		for (int n = 26; n < 32; n++)
			put_byte(f, twice + n, byte_at(f->image, file + n));
		assert_false(is_clean(f));
		synced.image = f->image;
		synced.mark = f->mark;
		synced.count = 0;
		if (mend(f) != 0)
			fail_msg("FAT%d: %s", sizes[i], f->err.text);
		assert_true(is_clean(f));
		expect_settings(f);
		assert_false(sh("mdir -b -i %s ::/ ::/entries | grep -q VMBOOT", f->image));
		/* A second cut finds it marked until everything else is on the disk. */
		assert_int_equal(synced.count, 2);
		assert_int_equal(synced.seen[0] & 1, 1);
		assert_int_equal(synced.seen[1] & 1, 0);
		synced.image = NULL;
	}
}

static void a_clean_fat_is_not_touched(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	make_fat(f, 16);
	put_byte(f, f->mark, 0);
	add_file(f, "VMBOOT.NEW");
	before = hash_file(f->image);
	assert_int_equal(mend(f), 0);
	assert_int_equal(mend_fat(NULL, f->image, LIMIT_MS, &f->err), 0);
	assert_int_equal(storage_mend_settings(f->image, "vfat", &f->err), 0);
	/* Nor what is none, whatever its bytes are. */
	put_byte(f, f->mark, 1);
	assert_int_equal(storage_mend_settings(f->image, "ext4", &f->err), 0);
	put_byte(f, f->mark, 0);
	assert_true(hash_file(f->image) == before);
	assert_int_equal(mend_fat(NULL, "/nowhere", LIMIT_MS, &f->err), 0);
}

/* CODE, a sentence with all of TEXTS, and not a byte changed. */
static void expect_refused(struct fixture *f, const char *program, int code, const char *text)
{
	uint64_t before = hash_file(f->image);

	assert_int_equal(mend_fat(program, f->image, LIMIT_MS, &f->err), -code);
	assert_int_equal(f->err.code, code);
	if (!strstr(f->err.text, text) || !strstr(f->err.text, f->image))
		fail_msg("the sentence is \"%s\"", f->err.text);
	assert_true(hash_file(f->image) == before);
}

static void damaged_files_are_for_the_operator(void **state)
{
	struct fixture *f = *state;
	off_t a, b;

	make_fat(f, 16);
	a = entry_of(f, "A       TXT");
	b = entry_of(f, "B       TXT");
	put_byte(f, a + 29, 0x7F); /* more bytes than it has blocks */
	add_file(f, "VMBOOT.NEW");
	expect_refused(f, fsck_find(), EUCLEAN, "/A.TXT File size is ");
	make_fat(f, 16);
	a = entry_of(f, "A       TXT");
	put_byte(f, b + 26, byte_at(f->image, a + 26));
	expect_refused(f, fsck_find(), EUCLEAN, "/A.TXT  and /B.TXT share clusters.");
	make_fat(f, 16);
	put_byte(f, entry_of(f, "ENTRIES    ") + 27, 0xFF);
	expect_refused(f, fsck_find(), EUCLEAN, "/ENTRIES Start cluster");
}

static void what_is_no_fat_any_more_is_left_alone(void **state)
{
	struct fixture *f = *state;

	make_fat(f, 16);
	for (off_t at = 11; at < 0x18; at++)
		put_byte(f, at, 0xFF);
	expect_refused(f, fsck_find(), EIO, "fsck.fat could not mend ");
	/* Not even one sector. */
	write_file(f->image, "abc", 3, 0);
	assert_int_equal(mend(f), 0);
}

/* SCRIPT for /bin/sh, as fsck.fat. */
static const char *fake(const struct fixture *f, const char *script)
{
	char text[512];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	write_file(f->program, text, strlen(text), 0);
	assert_int_equal(chmod(f->program, 0755), 0);
	return f->program;
}

static void a_bad_program_is_not_believed(void **state)
{
	struct fixture *f = *state;
	char script[PATH_MAX + 128];

	make_fat(f, 16);
	expect_refused(f, NULL, ENOENT, "Install dosfstools");
	expect_refused(f, "/nowhere/fsck.fat", EIO, "it cannot be run");
	expect_refused(f, fake(f, "exit 0"), EIO, "could not mend");
	expect_refused(f, fake(f, "echo no luck; exit 8"), EIO, "no luck");
	expect_refused(f, fake(f, "printf 'a\\033[2Jb\\n'; exit 8"), EIO, "a\\x1b[2Jb");
	/* It says that it has mended it, again and again. */
	snprintf(script, sizeof(script), "echo %s: 1 files, 1/2 clusters; exit 1", f->image);
	expect_refused(f, fake(f, script), EIO, "could not mend");
	/* It may start nothing, and make nothing. */
	snprintf(script, sizeof(script), "(exit 0); : >%s/made; exit 8", f->scratch->dir);
	expect_refused(f, fake(f, script), EIO, "could not mend");
	snprintf(script, sizeof(script), "%s/made", f->scratch->dir);
	assert_int_equal(access(script, F_OK), -1);
}

static void an_endless_program_is_ended(void **state)
{
	struct fixture *f = *state;

	make_fat(f, 16);
	assert_int_equal(mend_fat(fake(f, "while :; do :; done"), f->image, 300, &f->err),
			 -ETIMEDOUT);
	assert_non_null(strstr(f->err.text, "did not get through"));
	assert_int_equal(mend_fat(fake(f, "while :; do echo x; done"), f->image, 300, &f->err),
			 -ETIMEDOUT);
	assert_int_equal(
		mend_fat(fake(f, "exec >&- 2>&-; while :; do :; done"), f->image, 300, &f->err),
		-EIO);
	assert_int_equal(byte_at(f->image, f->mark), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_an_unfinished_save_leaves_is_mended, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_clean_fat_is_not_touched, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_files_are_for_the_operator, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_no_fat_any_more_is_left_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_bad_program_is_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(an_endless_program_is_ended, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
