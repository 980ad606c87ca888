/* See daemon/welcome.h. */
#include "welcome.h"

#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon_path.h"
#include "host.h"
#include "host_pci.h"
#include "text.h"
#include "vars_place.h"

/* The files that a start without an entry uses, as they are now. */
static void describe_files(struct menu_welcome *welcome)
{
	char dir[VM_PATH_SIZE];
	struct statvfs fs;
	char *slash;

	welcome->log_room = UINT64_MAX;
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

void welcome_describe(const struct daemon_options *options, const struct store *store,
		      struct menu_welcome *ret)
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
	vars_place_describe(store, ret);
	describe_files(ret);
	host_pci_count_controllers("", &ret->controllers, &ret->controllers_bound);
}
