/* See daemon/welcome.h. */
#include "welcome.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon_path.h"
#include "host.h"
#include "host_pci.h"
#include "text.h"

/* The files that a start without an entry uses, as they are now. */
static void describe_files(struct menu_welcome *welcome)
{
	char dir[VM_PATH_SIZE];
	struct statvfs fs;
	struct stat st;
	char *slash;

	welcome->log_room = UINT64_MAX;
	if (daemon_path_vars(welcome->vars_path, sizeof(welcome->vars_path)) == 0 &&
	    stat(welcome->vars_path, &st) == 0) {
		welcome->vars_size = (uint64_t)st.st_size;
		welcome->vars_changed = st.st_mtime;
	}
	if (daemon_path_log(welcome->log_path, sizeof(welcome->log_path)) < 0)
		return;
	text_copy(dir, sizeof(dir), welcome->log_path);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	welcome->log_max = daemon_path_log_max(dir, welcome->host_memory);
	/* A ramfs counts nothing. */
	if (statvfs(dir, &fs) == 0 && fs.f_blocks > 0)
		welcome->log_room = (uint64_t)fs.f_bavail * fs.f_frsize;
}

void welcome_describe(const struct daemon_options *options, struct menu_welcome *ret)
{
	struct host_facts facts;
	int kvm;

	host_gather("", &facts, &kvm);
	if (kvm >= 0)
		close(kvm);
	ret->host_cpus = facts.cpus_online;
	ret->host_memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	ret->host_memory_free = facts.memory_available;
	ret->kvm_ok = options->kvm_ok;
	ret->firmware_ok = options->firmware_ok;
	text_copy(ret->kvm_text, sizeof(ret->kvm_text), options->kvm_text);
	gethostname(ret->host_name, sizeof(ret->host_name) - 1);
	describe_files(ret);
	host_pci_count_controllers("", &ret->controllers, &ret->controllers_bound);
}
