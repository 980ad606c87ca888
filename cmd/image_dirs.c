/* The directories of disk images that `daemon` and `list` look into. */
#include <unistd.h>

#include "cmd.h"
#include "daemon_path.h"

bool cmd_add_image_dir(struct image_dirs *dirs, const char *dir)
{
	if (dirs->count == DISCOVERY_MAX_IMAGES)
		return false;
	dirs->paths[dirs->count++] = dir;
	return true;
}

void cmd_usual_image_dirs(struct image_dirs *dirs)
{
	if (dirs->count > 0)
		return;
	if (geteuid() != 0 && daemon_path_images(dirs->own, sizeof(dirs->own)) == 0)
		dirs->paths[dirs->count++] = dirs->own;
	/* One that is not for this user is nothing to complain of. */
	if (geteuid() == 0 || access(DAEMON_PATH_IMAGES, R_OK | X_OK) == 0)
		dirs->paths[dirs->count++] = DAEMON_PATH_IMAGES;
}
