/*
 * Sentences about a machine that cannot, or not well, run virtual machines: what is so, why, what to
 * do. Only compares facts that host.c gathered; opens nothing.
 */
#include "host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "vm_config.h"

/* Memory below which not even the smallest VM and its vmm fit. */
#define HOST_MIN_MEMORY	 (VM_MIN_MEMORY + (16ULL << 20))
#define HOST_GOOD_MEMORY (512ULL << 20)

static const char *host_module(const struct host_kvm_facts *facts)
{
	return facts->cpu && strcmp(facts->cpu, "svm") == 0 ? "kvm_amd" : "kvm_intel";
}

/* There is no /dev/kvm, or nothing behind it. */
static int host_judge_no_kvm(const struct host_kvm_facts *facts, struct vmb_err *err)
{
	if (!facts->cpu && facts->is_guest)
		return vmb_err_set(err, ENODEV,
				   "There is no /dev/kvm: this machine is itself a virtual machine "
				   "whose CPU shows neither vmx nor svm. Turn on nested "
				   "virtualization for it in its host and start it again.");
	if (!facts->cpu)
		return vmb_err_set(
			err, ENODEV,
			"There is no /dev/kvm: the CPU shows neither vmx nor svm. Turn on "
			"VT-x or AMD-V (SVM) in the firmware setup of this machine; if "
			"there is no such switch, this CPU cannot run virtual machines.");
	if (!facts->module_loaded)
		return vmb_err_set(
			err, ENODEV,
			"There is no /dev/kvm: the CPU can virtualize (%s), but the kernel "
			"module %s is not loaded. Run \"modprobe %s\"; if that fails with "
			"\"Operation not supported\", turn virtualization on in the firmware "
			"setup.",
			facts->cpu, host_module(facts), host_module(facts));
	return vmb_err_set(
		err, ENODEV,
		"There is no /dev/kvm although the kernel module %s is loaded. Create it "
		"with \"mknod /dev/kvm c 10 232\", or mount a devtmpfs on /dev.",
		host_module(facts));
}

int host_judge_kvm(const struct host_kvm_facts *facts, struct vmb_err *err)
{
	switch (facts->open_errno) {
	case 0: return 0;
	case ENOENT:
	case ENODEV:
	case ENXIO: return host_judge_no_kvm(facts, err);
	case EACCES:
	case EPERM:
		return vmb_err_set(
			err, EACCES,
			"No permission to use /dev/kvm. Run vmboot as root, or join the "
			"group that owns it (\"usermod -aG kvm USER\", then log in again).");
	default:
		return vmb_err_set(err, facts->open_errno, "/dev/kvm cannot be opened: %s.",
				   strerror(facts->open_errno));
	}
}

int host_judge_ability(const struct kvm_ability *ability, struct vmb_err *err)
{
	if (ability->missing[0])
		return vmb_err_set(err, ENOTSUP,
				   "This kernel's KVM is too old or too small: it lacks %s. Boot a "
				   "newer kernel (Linux 5.15 or later has everything).",
				   ability->missing);
	if (!ability->can_run_firmware)
		return vmb_err_set(err, ENOTSUP,
				   "This machine's KVM cannot run firmware: %s Run vmboot on real "
				   "hardware, or in a virtual machine with nested virtualization.",
				   ability->firmware_text);
	return 0;
}

/* ---- the list that doctor prints ---- */

static void host_find(struct host_finding *findings, unsigned int *count, enum host_level level,
		      const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void host_find(struct host_finding *findings, unsigned int *count, enum host_level level,
		      const char *subject, const char *fmt, ...)
{
	struct host_finding *finding = &findings[(*count)++];
	va_list args;

	finding->level = level;
	finding->subject = subject;
	va_start(args, fmt);
	vsnprintf(finding->text, sizeof(finding->text), fmt, args);
	va_end(args);
}

static void host_find_kvm(const struct host_facts *facts, struct host_finding *f, unsigned int *n)
{
	struct vmb_err err = {0};

	if (host_judge_kvm(&facts->kvm, &err) < 0) {
		host_find(f, n, HOST_MISSING, "KVM", "%s", err.text);
		return;
	}
	if (facts->ability_error.code) {
		host_find(f, n, HOST_MISSING, "KVM", "%s", facts->ability_error.text);
		return;
	}
	host_find(f, n, HOST_OK, "KVM", "/dev/kvm works, up to %u virtual CPUs.",
		  facts->ability.max_cpus < VM_MAX_CPUS ? facts->ability.max_cpus : VM_MAX_CPUS);
	if (host_judge_ability(&facts->ability, &err) < 0)
		host_find(f, n, HOST_MISSING, "self-test", "%s", err.text);
	else
		host_find(f, n, HOST_OK, "self-test", "This KVM can run firmware.");
}

static void host_find_cpu(const struct host_facts *facts, struct host_finding *f, unsigned int *n)
{
	const char *model = facts->cpu_model[0] ? facts->cpu_model : "unknown processor";

	if (!facts->kvm.cpu)
		host_find(
			f, n, HOST_NOTE, "CPU",
			"%s: neither vmx nor svm is shown; if there is a /dev/kvm all the same, it "
			"is one made of software, and slow.",
			model);
	else if (!facts->nested_paging)
		host_find(f, n, HOST_NOTE, "CPU",
			  "%s (%s), without ept or npt: virtual machines will be slow.", model,
			  facts->kvm.cpu);
	else
		host_find(f, n, HOST_OK, "CPU", "%s (%s, %s).", model, facts->kvm.cpu,
			  strcmp(facts->kvm.cpu, "svm") == 0 ? "npt" : "ept");
}

static void host_find_memory(const struct host_facts *facts, struct host_finding *f,
			     unsigned int *n)
{
	char size[16], least[16];

	text_format_size(facts->memory_available, size, sizeof(size));
	text_format_size(HOST_MIN_MEMORY, least, sizeof(least));
	if (!facts->memory_available)
		host_find(f, n, HOST_NOTE, "memory",
			  "How much is free is unknown: /proc/meminfo cannot be read.");
	else if (facts->memory_available < HOST_MIN_MEMORY)
		host_find(f, n, HOST_MISSING, "memory",
			  "Only %s free; the smallest virtual machine needs %s. Stop something, or "
			  "add memory.",
			  size, least);
	else if (facts->memory_available < HOST_GOOD_MEMORY)
		host_find(f, n, HOST_NOTE, "memory",
			  "Only %s free: enough for firmware, too little for most systems.", size);
	else
		host_find(f, n, HOST_OK, "memory", "%s free.", size);
}

static void host_find_pages(const struct host_facts *facts, struct host_finding *f, unsigned int *n)
{
	if (strcmp(facts->thp, "always") == 0 || strcmp(facts->thp, "madvise") == 0)
		host_find(f, n, HOST_OK, "huge pages", "Transparent huge pages are on (%s).",
			  facts->thp);
	else
		host_find(
			f, n, HOST_NOTE, "huge pages",
			"Transparent huge pages are %s: memory access is slower. \"echo madvise > "
			"/sys/kernel/mm/transparent_hugepage/enabled\" turns them on.",
			facts->thp[0] ? "off" : "not in this kernel");
}

static void host_find_memlock(const struct host_facts *facts, struct host_finding *f,
			      unsigned int *n)
{
	char size[16];

	if (facts->memlock == UINT64_MAX) {
		host_find(f, n, HOST_OK, "locked memory", "Not limited.");
		return;
	}
	text_format_size(facts->memlock, size, sizeof(size));
	host_find(f, n, HOST_NOTE, "locked memory",
		  "Limited to %s (ulimit -l): I/O buffers are not registered with the kernel. Root "
		  "can raise it.",
		  size);
}

static void host_find_io_uring(const struct host_facts *facts, struct host_finding *f,
			       unsigned int *n)
{
	if (!facts->io_uring_errno && facts->io_uring_sysctl <= 0)
		host_find(f, n, HOST_OK, "io_uring", "Works.");
	else if (facts->io_uring_sysctl > 0)
		host_find(f, n, HOST_NOTE, "io_uring",
			  "Switched off (kernel.io_uring_disabled=%d): disks are served by threads "
			  "instead, which is slower. \"sysctl kernel.io_uring_disabled=0\" turns "
			  "it on.",
			  facts->io_uring_sysctl);
	else
		host_find(
			f, n, HOST_NOTE, "io_uring",
			"Not to be had (%s): disks are served by threads instead, which is slower.",
			facts->io_uring_errno == ENOSYS ? "this kernel has none"
							: strerror(facts->io_uring_errno));
}

/* Adds what is missing of the sandbox, and how it comes back, to BUF. */
static void host_lacks_layer(char *buf, size_t size, const char *text)
{
	size_t used = strlen(buf);

	snprintf(buf + used, size - used, "%s%s", used ? "; " : "", text);
}

static void host_find_sandbox(const struct host_facts *facts, struct host_finding *f,
			      unsigned int *n)
{
	const struct sandbox_layers *layers = &facts->sandbox;
	char lacks[360] = "";

	if (!layers->built_in) {
		host_find(f, n, HOST_NOTE, "sandbox",
			  "None: this vmboot is built with sanitizers, for tests.");
		return;
	}
	if (!layers->empty_root)
		host_lacks_layer(lacks, sizeof(lacks),
				 "no empty root directory (run vmboot as root, or allow user "
				 "namespaces)");
	if (!layers->landlock_abi)
		host_lacks_layer(lacks, sizeof(lacks),
				 "no Landlock (add it to lsm= of the kernel's command line)");
	if (!layers->no_rights)
		host_lacks_layer(lacks, sizeof(lacks), "rights cannot be dropped");
	if (!layers->filters)
		host_lacks_layer(lacks, sizeof(lacks),
				 "no system call filters (CONFIG_SECCOMP_FILTER)");
	if (lacks[0])
		host_find(f, n, HOST_NOTE, "sandbox",
			  "A guest that breaks out of its virtual machine finds: %s.", lacks);
	else
		host_find(f, n, HOST_OK, "sandbox",
			  "Empty root directory, Landlock %u, no rights, system call filters.",
			  layers->landlock_abi);
}

static void host_find_iommu(const struct host_facts *facts, struct host_finding *f, unsigned int *n)
{
	if (facts->iommus && facts->iommu_groups)
		host_find(f, n, HOST_OK, "IOMMU", "On, %u groups of devices.", facts->iommu_groups);
	else if (facts->iommus)
		host_find(f, n, HOST_NOTE, "IOMMU",
			  "Present but without groups: devices cannot be passed through. Boot with "
			  "intel_iommu=on.");
	else
		host_find(
			f, n, HOST_NOTE, "IOMMU",
			"None in use: devices cannot be passed through. Turn on VT-d or AMD-Vi in "
			"the firmware setup, and boot with intel_iommu=on on Intel.");
}

static void host_find_firmware(const struct host_facts *facts, struct host_finding *f,
			       unsigned int *n)
{
	if (facts->firmware[0])
		host_find(f, n, HOST_OK, "firmware", "%s", facts->firmware);
	else if (facts->firmware_refused[0])
		host_find(
			f, n, HOST_NOTE, "firmware",
			"None that can be started where packages put it (%s). Install one (Debian: "
			"cloudhv-efi-x86-64 or ovmf), or keep one on a disk: the menu finds it there.",
			facts->firmware_refused);
	else
		host_find(
			f, n, HOST_NOTE, "firmware",
			"None where packages put it. Install one (Debian: cloudhv-efi-x86-64 or "
			"ovmf), or keep one on a disk: the menu finds it there.");
}

unsigned int host_judge(const struct host_facts *facts, struct host_finding *findings)
{
	unsigned int n = 0;

	host_find_kvm(facts, findings, &n);
	host_find_cpu(facts, findings, &n);
	host_find_memory(facts, findings, &n);
	host_find_pages(facts, findings, &n);
	host_find_memlock(facts, findings, &n);
	host_find_io_uring(facts, findings, &n);
	host_find_sandbox(facts, findings, &n);
	host_find_iommu(facts, findings, &n);
	host_find_firmware(facts, findings, &n);
	return n;
}
