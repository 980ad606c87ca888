/* Signatures of what boots: see launch_check_trust() in daemon/launch_internal.h. */
#include <errno.h>

#include "launch_internal.h"
#include "log.h"
#include "trust.h"

/* FD is sealed: what is good now stays so. */
static int check(struct launch *launch, const char *noun, const char *path, int fd,
		 const char *signature, size_t n, struct vmb_err *err)
{
	const struct launch_trust *trust = &launch->trust;
	struct vmb_err why;
	int rc;

	if (n == 0)
		rc = vmb_err_set(&why, ENOKEY, "has no signature");
	else
		rc = trust_check_fd(trust->keys, trust->count, fd, signature, n, &why);
	if (rc == 0)
		return 0;
	if (trust->policy == LAUNCH_TRUST_REQUIRE)
		return vmb_err_set(err, EKEYREJECTED,
				   "%s %s %s, and only what is signed by a trusted key is started. "
				   "Sign it (minisign -Sm FILE), or choose another one.",
				   noun, path, why.text);
	vmb_err_set(&why, EKEYREJECTED, "%s %s %s.", noun, path, why.text);
	log_warn("%s", why.text);
	launch_warn(launch, why.text);
	return 0;
}

static int check_file(struct launch *launch, const char *noun, const char *path, int fd,
		      struct vmb_err *err)
{
	char signature[TRUST_SIGNATURE_MAX];

	if (!path[0])
		return 0;
	return check(launch, noun, path, fd, signature, trust_read_signature(path, signature), err);
}

int launch_check_trust(struct launch *launch, struct vmb_err *err)
{
	const struct vm_config *c = &launch->config;
	int rc;

	if (launch->trust.policy == LAUNCH_TRUST_OFF)
		return 0;
	if (c->firmware_device[0])
		return check(launch, "Firmware", c->firmware_path, launch->firmware,
			     launch->signature, launch->signature_n, err);
	if (!c->kernel_path[0])
		return check_file(launch, "Firmware", c->firmware_path, launch->firmware, err);
	rc = check_file(launch, "Kernel", c->kernel_path, launch->firmware, err);
	return rc < 0 ? rc : check_file(launch, "Initrd", c->initrd_path, launch->initrd, err);
}
