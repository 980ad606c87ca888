/* Kernel messages are kept away while a menu draws, and come back with the last menu's end. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ui/printk.h"

struct paths {
	char dir[32], proc[64], state[64];
};

static int setup(void **state)
{
	struct paths *p = calloc(1, sizeof(*p));
	FILE *f;

	strcpy(p->dir, "/tmp/vmboot-printk-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->proc, sizeof(p->proc), "%s/printk", p->dir);
	snprintf(p->state, sizeof(p->state), "%s/state", p->dir);
	f = fopen(p->proc, "w");
	fputs("7\t4\t1\t7\n", f);
	fclose(f);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct paths *p = *state;

	unlink(p->proc);
	unlink(p->state);
	rmdir(p->dir);
	free(p);
	return 0;
}

/* The kernel takes the first number; an ordinary file keeps what followed it. */
static int level(const struct paths *p)
{
	char text[64] = "";
	int fd = open(p->proc, O_RDONLY);

	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoi(text);
}

static void test_one_menu(void **state)
{
	const struct paths *p = *state;
	struct printk a;

	printk_lower(&a, p->proc, p->state);
	assert_int_equal(level(p), 1);
	printk_restore(&a, p->proc);
	assert_int_equal(level(p), 7);
	printk_restore(&a, p->proc);
	assert_int_equal(level(p), 7);
}

static void test_the_last_one_restores(void **state)
{
	const struct paths *p = *state;
	struct printk a, b;

	printk_lower(&a, p->proc, p->state);
	printk_lower(&b, p->proc, p->state);
	printk_restore(&a, p->proc);
	assert_int_equal(level(p), 1);
	printk_restore(&b, p->proc);
	assert_int_equal(level(p), 7);
	/* And again, as around a recovery shell. */
	printk_lower(&a, p->proc, p->state);
	assert_int_equal(level(p), 1);
	printk_restore(&a, p->proc);
	assert_int_equal(level(p), 7);
}

/* One that was killed gave nothing back; its successor does. */
static void test_a_killed_menu(void **state)
{
	const struct paths *p = *state;
	struct printk a, b;

	printk_lower(&a, p->proc, p->state);
	close(a.lock);
	assert_int_equal(level(p), 1);
	printk_lower(&b, p->proc, p->state);
	printk_restore(&b, p->proc);
	assert_int_equal(level(p), 7);
}

static void test_where_it_is_not_possible(void **state)
{
	const struct paths *p = *state;
	struct printk a;

	printk_lower(&a, "/nonexistent/printk", p->state);
	assert_int_equal(a.lock, -1);
	printk_lower(&a, p->proc, "/nonexistent/state");
	assert_int_equal(a.lock, -1);
	assert_int_equal(level(p), 7);
	printk_restore(&a, p->proc);
	assert_int_equal(level(p), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_menu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_last_one_restores, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_killed_menu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_where_it_is_not_possible, setup, teardown),
	};

	return cmocka_run_group_tests_name("ui_printk", tests, NULL, NULL);
}
