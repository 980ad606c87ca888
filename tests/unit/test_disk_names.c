/* Stable names of disks: found again in another order, refused when two answer, made unique. */
#include "test.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/disk_names.h"

static struct menu_device disk(const char *name, const char *serial)
{
	struct menu_device d = {.state = MENU_DEVICE_READY};

	snprintf(d.name, sizeof(d.name), "%s", name);
	snprintf(d.path, sizeof(d.path), "/dev/%s", name);
	snprintf(d.serial, sizeof(d.serial), "%s", serial);
	return d;
}

static struct menu_device part(const char *name, const char *parent, const char *part_uuid,
			       const char *label)
{
	struct menu_device d = disk(name, "");

	snprintf(d.parent, sizeof(d.parent), "%s", parent);
	snprintf(d.part_uuid, sizeof(d.part_uuid), "%s", part_uuid);
	snprintf(d.label, sizeof(d.label), "%s", label);
	return d;
}

static size_t some_disks(struct menu_device *d, const char *first, const char *second)
{
	char name[32];
	size_t n = 0;

	d[n++] = disk(first, "AAA");
	snprintf(name, sizeof(name), "%s1", first);
	d[n++] = part(name, first, "0f1e-01", "boot");
	d[n++] = disk(second, "BBB");
	snprintf(name, sizeof(name), "%s1", second);
	d[n++] = part(name, second, "0f1e-02", "data");
	d[n++] = disk("vdc", "");
	d[n++] = part("vdc1", "vdc", "0F1E-03", "data");
	return n;
}

static void a_name_finds_its_disk_in_every_order(void **state)
{
	struct menu_device d[6];
	char path[VM_PATH_SIZE];
	size_t n = some_disks(d, "sda", "sdb");

	(void)state;
	assert_int_equal(disk_name_resolve(d, n, "serial:BBB", path, NULL), 0);
	assert_string_equal(path, "/dev/sdb");
	n = some_disks(d, "sdb", "sda");
	assert_int_equal(disk_name_resolve(d, n, "serial:BBB", path, NULL), 0);
	assert_string_equal(path, "/dev/sda");
	assert_int_equal(disk_name_resolve(d, n, "partuuid:0F1E-01", path, NULL), 0);
	assert_string_equal(path, "/dev/sdb1");
	assert_int_equal(disk_name_resolve(d, n, "holds:0f1e-02", path, NULL), 0);
	assert_string_equal(path, "/dev/sda");
	assert_int_equal(disk_name_resolve(d, n, "label:boot", path, NULL), 0);
	assert_string_equal(path, "/dev/sdb1");
}

static void what_is_missing_or_ambiguous_is_refused(void **state)
{
	struct menu_device d[6];
	struct vmb_err err;
	char path[VM_PATH_SIZE];
	size_t n = some_disks(d, "sda", "sdb");

	(void)state;
	assert_int_equal(disk_name_resolve(d, n, "serial:XYZ", path, &err), -ENODEV);
	assert_string_equal(err.text, "Disk serial:XYZ is not there.");
	assert_string_equal(path, "serial:XYZ");
	assert_int_equal(disk_name_resolve(d, n, "label:data", path, &err), -ENOTUNIQ);
	assert_string_equal(err.text,
			    "Disk label:data is ambiguous: /dev/sdb1 and /dev/vdc1 both have "
			    "it. Choose the disk anew.");
	strcpy(d[2].serial, "AAA");
	assert_int_equal(disk_name_resolve(d, n, "serial:AAA", path, &err), -ENOTUNIQ);
	assert_int_equal(disk_name_resolve(d, n, "serial:", path, &err), -ENODEV);
	assert_int_equal(disk_name_resolve(d, n, "model:WD", path, &err), -EINVAL);
	assert_int_equal(disk_name_resolve(d, n, "/nowhere/x.img", path, &err), -ENODEV);
	assert_string_equal(err.text,
			    "Disk /nowhere/x.img is not there (No such file or directory).");
	assert_int_equal(disk_name_resolve(d, n, "path:/dev/null", path, &err), 0);
	assert_string_equal(path, "/dev/null");
}

static void a_name_is_made_that_only_this_disk_has(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{"/dev/sda", "serial:AAA"},    {"/dev/sda1", "partuuid:0f1e-01"},
		{"/dev/vdc", "holds:0F1E-03"}, {"/dev/vdc1", "partuuid:0F1E-03"},
		{"/srv/a.iso", "/srv/a.iso"},
	};
	struct menu_device d[6];
	char name[VM_PATH_SIZE], path[VM_PATH_SIZE];
	size_t n = some_disks(d, "sda", "sdb");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		disk_name_make(d, n, cases[i].path, name);
		assert_string_equal(name, cases[i].name);
		if (name[0] != '/') {
			assert_int_equal(disk_name_resolve(d, n, name, path, NULL), 0);
			assert_string_equal(path, cases[i].path);
		}
	}
	/* Two disks with the serial of a careless maker. */
	strcpy(d[2].serial, "AAA");
	disk_name_make(d, n, "/dev/sda", name);
	assert_string_equal(name, "holds:0f1e-01");
	/* And cloned: nothing tells them apart. */
	strcpy(d[3].part_uuid, "0f1e-01");
	disk_name_make(d, n, "/dev/sda", name);
	assert_string_equal(name, "/dev/sda");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_finds_its_disk_in_every_order),
		cmocka_unit_test(what_is_missing_or_ambiguous_is_refused),
		cmocka_unit_test(a_name_is_made_that_only_this_disk_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
