/*
 * The firmware image: read into a memfd, by this process from a file or by a probe process from a
 * disk, checked by content, and sealed, so that what was checked is what boots.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch_internal.h"
#include "probe_proto.h"
#include "proto.h"
#include "pvh.h"
#include "storage.h"
#include "varstore.h"

int firmware_make_memory(int *ret_fd, struct vmb_err *err)
{
	int fd = memfd_create("vmboot-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return vmb_err_set(err, errno, "No memory for what is to be booted: %s.", strerror(errno));
	*ret_fd = fd;
	return 0;
}

/* What IMAGE (SIZE bytes) is, and its variables' layout. */
static int look_at_image(struct launch *launch, const void *image, size_t size, struct vmb_err *err)
{
	const char *path = launch->config.firmware_path;
	struct flash_image flash = {.vars_size = VARSTORE_SIZE};
	char real[PATH_MAX];
	struct vmb_err why = {0};
	bool is_flash = flash_is_volume(image, size);
	int rc = is_flash ? flash_check(image, size, size, &flash, &why)
			  : pvh_check(image, size, size, NULL, &why);

	if (rc == 0 && is_flash &&
	    (flash_name_needs_smm(path) || (!launch->config.firmware_device[0] &&
					    realpath(path, real) && flash_name_needs_smm(real))))
		rc = vmb_err_set(&why, ENOTSUP, "%s", flash_smm_text);
	if (rc < 0)
		return vmb_err_set(err, -rc, "Firmware %s cannot be started: %s", path, why.text);
	if (is_flash)
		launch->flash = flash;
	return vars_file_fit(&launch->vars, flash.vars_size, flash.code_at ? image : NULL, err);
}

int firmware_seal(struct launch *launch, struct vmb_err *err)
{
	struct stat st;
	void *image;
	int fd = launch->firmware, rc;

	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ||
	    fstat(fd, &st) < 0)
		return vmb_err_set(err, errno, "The firmware's memory cannot be sealed: %s.",
				   strerror(errno));
	if (st.st_size == 0)
		return vmb_err_set(err, EINVAL, "Firmware %s is empty. Copy it again.",
				   launch->config.firmware_path);
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (image == MAP_FAILED)
		return vmb_err_set(err, errno, "The firmware cannot be mapped: %s.",
				   strerror(errno));
	rc = look_at_image(launch, image, (size_t)st.st_size, err);
	munmap(image, (size_t)st.st_size);
	return rc;
}

int firmware_spawn_reader(struct launch *launch, struct vmb_err *err)
{
	const struct vm_config *config = &launch->config;
	bool is_signed = launch->trust.policy != LAUNCH_TRUST_OFF;
	char device[VM_PATH_SIZE], path[VM_PATH_SIZE], action[16];
	char name[] = "vmboot", role[] = "probe";
	char *argv[] = {name, role, action, device, path, NULL};
	int pair[2], fds[2], rc;

	snprintf(action, sizeof(action), "%s", is_signed ? "--read-signed" : "--read");
	snprintf(device, sizeof(device), "%s", config->firmware_device);
	snprintf(path, sizeof(path), "%s", config->firmware_path);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return vmb_err_set(err, errno, "No socket for a probe: %s.", strerror(errno));
	fds[PROBE_CONTROL_FD - CHILD_FIRST_FD] = pair[1];
	fds[PROBE_OUT_FD - CHILD_FIRST_FD] = launch->firmware;
	rc = child_spawn(argv, fds, 2, &launch->child, err);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		return rc;
	}
	launch->control = pair[0];
	return 0;
}

int firmware_reader_result(struct launch *launch, int status, struct vmb_err *err)
{
	const struct vm_config *config = &launch->config;
	union {
		struct probe_done done;
		char signature[TRUST_SIGNATURE_MAX];
	} body;
	char how[96];
	uint32_t type = 0;
	int n = proto_recv(launch->control, &type, &body, sizeof(body), NULL, 0, NULL);

	if (n >= 0 && type == PROBE_SIGNATURE) {
		memcpy(launch->signature, body.signature, (size_t)n);
		launch->signature_n = (size_t)n;
		n = proto_recv(launch->control, &type, &body, sizeof(body), NULL, 0, NULL);
	}
	if (n != (int)sizeof(body.done) || type != PROBE_DONE)
		return vmb_err_set(
			err, EIO,
			"Firmware %s on %s was not read: the process that reads it %s. The disk "
			"may be broken.",
			config->firmware_path, config->firmware_device,
			child_describe_end(status, how, sizeof(how)));
	body.done.text[sizeof(body.done.text) - 1] = '\0';
	if (body.done.code != 0)
		return vmb_err_set(err, body.done.code > 0 ? body.done.code : EIO, "%s",
				   body.done.text);
	return 0;
}
