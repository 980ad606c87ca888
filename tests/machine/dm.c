/*
 * What test_disks.py needs of the device mapper, without dmsetup and its libraries in the machine:
 *
 *	dm create NAME TABLE...        makes /dev/dm-N of "START LENGTH TARGET PARAMETERS" (512-byte sectors)
 *	dm load NAME TABLE...          gives it another table, under whoever uses it
 *	dm suspend NAME                what is asked of it from now on waits
 *	dm resume NAME
 */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static struct {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char params[512];
} request;

static void ask(int control, unsigned long code, const char *name, uint32_t flags)
{
	request.head.version[0] = DM_VERSION_MAJOR;
	request.head.data_size = sizeof(request);
	request.head.data_start = sizeof(request.head);
	request.head.flags = flags;
	strncpy(request.head.name, name, sizeof(request.head.name) - 1);
	if (ioctl(control, code, &request) < 0) {
		perror(name);
		exit(1);
	}
	memset(&request.head, 0, sizeof(request.head));
}

static void load(int control, const char *name, char *const *words, int count)
{
	struct dm_target_spec *t = &request.target;

	t->sector_start = strtoull(words[0], NULL, 10);
	t->length = strtoull(words[1], NULL, 10);
	strncpy(t->target_type, words[2], sizeof(t->target_type) - 1);
	for (int i = 3; i < count; i++) {
		size_t used = strlen(request.params);

		snprintf(request.params + used, sizeof(request.params) - used, "%s%s",
			 used ? " " : "", words[i]);
	}
	request.head.target_count = 1;
	ask(control, DM_TABLE_LOAD, name, 0);
}

int main(int argc, char **argv)
{
	int control = open("/dev/mapper/control", O_RDWR);
	const char *what = argc > 2 ? argv[1] : "";

	if (control < 0) {
		perror("/dev/mapper/control");
		return 1;
	}
	if (strcmp(what, "create") == 0)
		ask(control, DM_DEV_CREATE, argv[2], 0);
	if (argc > 5)
		load(control, argv[2], argv + 3, argc - 3);
	/* Without the flag it resumes, and the table that was loaded takes effect. */
	if (*what)
		ask(control, DM_DEV_SUSPEND, argv[2],
		    strcmp(what, "suspend") == 0 ? DM_SUSPEND_FLAG : 0);
	return *what ? 0 : 2;
}
