/* See daemon/power.h. */
#include "power.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "log.h"
#include "menu_proto.h"
#include "init_mark.h"

extern char **environ;

static int exists(const char *root, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return access(full, F_OK) == 0;
}

int power_choose(const char *root, int is_root, enum power_way *ret_way, struct vmb_err *err)
{
	if (!is_root)
		return vmb_err_set(err, EPERM,
				   "Only root may switch this machine off or restart it, "
				   "and vmboot runs as another user.");
	/* sd_booted(3); then OpenRC's and SysV init's own marks. */
	if (exists(root, INIT_MARK))
		*ret_way = POWER_INIT;
	else if (exists(root, "/run/systemd/system"))
		*ret_way = POWER_SYSTEMD;
	else if (exists(root, "/run/openrc/softlevel") || exists(root, "/run/initctl"))
		*ret_way = POWER_SHUTDOWN;
	else
		*ret_way = POWER_KERNEL;
	return 0;
}

/* Runs ARGV; its own end tells whether the init has taken the order. */
static int order(char *const argv[], struct vmb_err *err)
{
	int status = 0, rc;
	char how[96];
	pid_t pid;

	rc = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (rc == 0 && waitpid(pid, &status, 0) < 0)
		rc = errno;
	if (rc != 0)
		return vmb_err_set(err, rc, "%s cannot be run: %s. Use a shell (!).", argv[0],
				   strerror(rc));
	if (status != 0)
		return vmb_err_set(err, EIO,
				   "%s %s: this machine's init did not take the order. Use a shell "
				   "(!).",
				   argv[0], child_describe_end(status, how, sizeof(how)));
	return 0;
}

int power_do(uint32_t how, struct vmb_err *err)
{
	char systemctl[] = "systemctl", no_block[] = "--no-block", poweroff[] = "poweroff",
	     restart[] = "reboot", shutdown[] = "shutdown", halt_option[] = "-h",
	     reboot_option[] = "-r", now[] = "now";
	bool off = how == MENU_POWER_OFF;
	char *const by_systemd[] = {systemctl, no_block, off ? poweroff : restart, NULL};
	char *const by_init[] = {shutdown, off ? halt_option : reboot_option, now, NULL};
	enum power_way way;
	int rc;

	if (how != MENU_POWER_OFF && how != MENU_POWER_REBOOT)
		return vmb_err_set(err, EINVAL, "There is no such thing to do with the power.");
	rc = power_choose("", geteuid() == 0, &way, err);
	if (rc < 0)
		return rc;
	log_warn("the machine %s: an operator asked for it", off ? "is switched off" : "restarts");
	sync();
	/* As busybox's poweroff and reboot do. */
	if (way == POWER_INIT)
		return kill(1, off ? SIGUSR2 : SIGTERM) == 0
			       ? 0
			       : vmb_err_set(err, errno, "Init cannot be told: %s.",
					     strerror(errno));
	if (way == POWER_SYSTEMD)
		return order(by_systemd, err);
	if (way == POWER_SHUTDOWN)
		return order(by_init, err);
	if (reboot(off ? RB_POWER_OFF : RB_AUTOBOOT) < 0)
		return vmb_err_set(err, errno, "The kernel does not %s this machine: %s.",
				   off ? "switch off" : "restart", strerror(errno));
	return 0;
}
