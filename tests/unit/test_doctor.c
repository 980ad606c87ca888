/* Every sentence about a machine that cannot run VMs, from made-up machines: a fake /proc, /sys, /dev. */
#include "storage_test.h"

#include <errno.h>

#include "host.h"
#include "host_hurry.h"

#define CPU_SVM                                         \
	"processor\t: 0\nmodel name\t: AMD EPYC Test\n" \
	"flags\t\t: fpu vme svm npt sse2\nbugs\t\t:\n"
#define CPU_VMX                                      \
	"processor\t: 0\nmodel name\t: Intel Test\n" \
	"flags\t\t: fpu vmx sse2\nvmx flags\t: vnmi ept vpid\n"
#define CPU_NONE  "processor\t: 0\nmodel name\t: Old\nflags\t\t: fpu svmlike xvmx sse2\n"
#define CPU_GUEST "processor\t: 0\nmodel name\t: Cloud\nflags\t\t: fpu sse2 hypervisor\n"

/* Judges the fake machine's /dev/kvm. */
static int judge_kvm(const struct scratch *machine, struct vmb_err *err)
{
	struct host_kvm_facts facts;
	int fd;

	memset(err, 0, sizeof(*err));
	host_gather_kvm(machine->dir, &facts, &fd);
	if (fd >= 0)
		close(fd);
	return host_judge_kvm(&facts, err);
}

#define assert_says(err, words)	    assert_non_null(strstr((err).text, words))
#define assert_says_not(err, words) assert_null(strstr((err).text, words))

static void no_kvm_and_no_flag(void **state)
{
	struct vmb_err err;

	put(*state, "/proc/cpuinfo", CPU_NONE);
	assert_int_equal(judge_kvm(*state, &err), -ENODEV);
	assert_says(err, "neither vmx nor svm");
	assert_says(err, "firmware setup");
	assert_says_not(err, "modprobe");
}

static void no_kvm_in_a_virtual_machine(void **state)
{
	struct vmb_err err;

	put(*state, "/proc/cpuinfo", CPU_GUEST);
	assert_int_equal(judge_kvm(*state, &err), -ENODEV);
	assert_says(err, "nested virtualization");
}

static void module_not_loaded(void **state)
{
	struct vmb_err err;

	put(*state, "/proc/cpuinfo", CPU_SVM);
	assert_int_equal(judge_kvm(*state, &err), -ENODEV);
	assert_says(err, "modprobe kvm_amd");
	put(*state, "/proc/cpuinfo", CPU_VMX);
	assert_int_equal(judge_kvm(*state, &err), -ENODEV);
	assert_says(err, "modprobe kvm_intel");
	/* The other maker's module does not count. */
	put(*state, "/sys/module/kvm_amd/refcnt", "0\n");
	assert_int_equal(judge_kvm(*state, &err), -ENODEV);
	assert_says(err, "modprobe kvm_intel");
}

static void module_loaded_but_no_device(void **state)
{
	struct vmb_err err;

	put(*state, "/proc/cpuinfo", CPU_SVM);
	put(*state, "/sys/module/kvm_amd/refcnt", "0\n");
	assert_int_equal(judge_kvm(*state, &err), -ENODEV);
	assert_says(err, "mknod /dev/kvm");
	assert_says_not(err, "modprobe");
}

static void no_permission(void **state)
{
	struct host_kvm_facts facts = {.open_errno = EACCES, .cpu = "svm", .module_loaded = true};
	struct vmb_err err = {0};

	(void)state; /* tests may run as root, whom no mode stops: the fact is given */
	assert_int_equal(host_judge_kvm(&facts, &err), -EACCES);
	assert_says(err, "usermod -aG kvm");
	facts.open_errno = EPERM;
	assert_int_equal(host_judge_kvm(&facts, &err), -EACCES);
	assert_says(err, "No permission");
}

static void kvm_that_opens_is_fine_whatever_the_flags(void **state)
{
	struct vmb_err err;

	put(*state, "/proc/cpuinfo", CPU_NONE);
	put(*state, "/dev/kvm", "");
	assert_int_equal(judge_kvm(*state, &err), 0);
	assert_int_equal(err.code, 0);
}

static void something_else_at_dev_kvm(void **state)
{
	const struct scratch *machine = *state;
	struct vmb_err err;
	char path[128];

	put(machine, "/proc/cpuinfo", CPU_SVM);
	put(machine, "/dev/null", "");
	snprintf(path, sizeof(path), "%s/dev/kvm", machine->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(judge_kvm(machine, &err), -EISDIR);
	assert_says(err, "Is a directory");
	/* A device node with nothing behind it is as good as none. */
	struct host_kvm_facts facts = {.open_errno = ENODEV, .cpu = "svm"};
	assert_int_equal(host_judge_kvm(&facts, &err), -ENODEV);
	assert_says(err, "modprobe kvm_amd");
}

static void empty_machine(void **state)
{
	struct host_finding findings[HOST_FINDINGS];
	const struct scratch *machine = *state;
	struct host_facts facts;
	unsigned int n;
	int fd;

	host_gather(machine->dir, &facts, &fd);
	assert_int_equal(fd, -1);
	n = host_judge(&facts, findings);
	assert_in_range(n, 1, HOST_FINDINGS);
	for (unsigned int i = 0; i < n; i++) {
		size_t len = strlen(findings[i].text);

		assert_true(len > 3 && findings[i].text[len - 1] == '.');
		assert_true(strlen(findings[i].subject) > 0);
	}
	assert_int_equal(findings[0].level, HOST_MISSING);
}

static const struct host_finding *find(const struct host_finding *findings, unsigned int n,
				       const char *subject)
{
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(findings[i].subject, subject) == 0)
			return &findings[i];
	fail_msg("nothing is said about %s", subject);
	return NULL;
}

/* A machine with nothing to complain about. */
static void gather_good(const struct scratch *machine, struct host_facts *facts)
{
	int fd;

	put(machine, "/proc/cpuinfo", CPU_SVM);
	put(machine, "/proc/meminfo",
	    "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:   4194304 kB\n");
	put(machine, "/proc/sys/kernel/io_uring_disabled", "0\n");
	put(machine, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	put(machine, "/sys/class/iommu/ivhd0", "");
	put(machine, "/sys/kernel/iommu_groups/0", "");
	put(machine, "/sys/kernel/iommu_groups/1", "");
	put(machine, "/sys/module/kvm_amd/refcnt", "0\n");
	put(machine, "/dev/kvm", "");
	host_gather(machine->dir, facts, &fd);
	assert_true(fd >= 0);
	close(fd);
	facts->ability.can_run_firmware = 1;
	facts->ability.max_cpus = 64;
	facts->sandbox = (struct sandbox_layers){true, true, 2, true, true};
	strcpy(facts->firmware, "/somewhere/CLOUDHV.fd");
}

static void good_machine_has_no_complaints(void **state)
{
	struct host_finding findings[HOST_FINDINGS];
	struct host_facts facts;
	unsigned int n;

	gather_good(*state, &facts);
	assert_string_equal(facts.cpu_model, "AMD EPYC Test");
	assert_int_equal(facts.memory_available, 4ULL << 30);
	assert_string_equal(facts.thp, "madvise");
	assert_int_equal(facts.iommu_groups, 2);
	n = host_judge(&facts, findings);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(findings[i].level, HOST_OK);
	assert_non_null(strstr(find(findings, n, "memory")->text, "4G"));
	assert_non_null(strstr(find(findings, n, "firmware")->text, "/somewhere/CLOUDHV.fd"));
}

/* One thing wrong at a time: what is said, and whether a VM can be started all the same. */
static void each_complaint(void **state)
{
	static const struct {
		const char *path, *text, *subject, *words;
		enum host_level level;
	} cases[] = {
		{"/proc/meminfo", "MemAvailable: 30000 kB\n", "memory",
		 "the smallest virtual machine needs 80M", HOST_MISSING},
		{"/proc/meminfo", "MemAvailable: 200000 kB\n", "memory", "195M", HOST_NOTE},
		{"/proc/meminfo", "", "memory", "unknown", HOST_NOTE},
		{"/proc/sys/kernel/io_uring_disabled", "2\n", "io_uring",
		 "sysctl kernel.io_uring_disabled=0", HOST_NOTE},
		{"/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n",
		 "huge pages", "off", HOST_NOTE},
		{"/sys/kernel/mm/transparent_hugepage/enabled", "", "huge pages",
		 "not in this kernel", HOST_NOTE},
		{"/proc/cpuinfo", CPU_GUEST, "CPU", "made of software", HOST_NOTE},
		{"/proc/cpuinfo", "flags : svm\n", "CPU", "without ept or npt", HOST_NOTE},
	};
	struct host_finding findings[HOST_FINDINGS];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct host_finding *finding;
		struct host_facts facts, ignored;
		unsigned int n;
		int fd;

		gather_good(*state, &ignored);
		put(*state, cases[i].path, cases[i].text);
		host_gather(((struct scratch *)*state)->dir, &facts, &fd);
		close(fd);
		facts.ability = ignored.ability;
		n = host_judge(&facts, findings);
		finding = find(findings, n, cases[i].subject);
		assert_int_equal(finding->level, cases[i].level);
		if (!strstr(finding->text, cases[i].words))
			fail_msg("\"%s\" lacks \"%s\"", finding->text, cases[i].words);
	}
}

/* One layer missing at a time: worse, but virtual machines start. */
static void each_missing_layer_of_the_sandbox(void **state)
{
	static const struct {
		struct sandbox_layers layers;
		const char *words;
	} cases[] = {
		{{true, false, 2, true, true}, "no empty root directory (run vmboot as root"},
		{{true, true, 0, true, true}, "no Landlock"},
		{{true, true, 2, false, true}, "rights"},
		{{true, true, 2, true, false}, "no system call filters"},
		{{true, true, 0, true, false},
		 "no Landlock (add it to lsm= of the kernel's "
		 "command line); no system call filters"},
		{{false, false, 0, false, false}, "sanitizers"},
	};
	struct host_finding findings[HOST_FINDINGS];
	const struct host_finding *finding;
	struct host_facts facts;

	gather_good(*state, &facts);
	finding = find(findings, host_judge(&facts, findings), "sandbox");
	assert_int_equal(finding->level, HOST_OK);
	assert_non_null(strstr(finding->text, "Landlock 2"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		facts.sandbox = cases[i].layers;
		finding = find(findings, host_judge(&facts, findings), "sandbox");
		assert_int_equal(finding->level, HOST_NOTE);
		if (!strstr(finding->text, cases[i].words))
			fail_msg("\"%s\" lacks \"%s\"", finding->text, cases[i].words);
	}
}

static void firmware_that_was_refused_is_named(void **state)
{
	struct host_finding findings[HOST_FINDINGS];
	const struct host_finding *finding;
	struct host_facts facts;
	unsigned int n;

	gather_good(*state, &facts);
	facts.firmware[0] = '\0';
	strcpy(facts.firmware_refused, "/usr/share/x.fd: it needs SMM");
	n = host_judge(&facts, findings);
	finding = find(findings, n, "firmware");
	assert_int_equal(finding->level, HOST_NOTE);
	assert_non_null(strstr(finding->text, "/usr/share/x.fd: it needs SMM"));
	facts.firmware_refused[0] = '\0';
	n = host_judge(&facts, findings);
	assert_non_null(strstr(find(findings, n, "firmware")->text, "Install one"));
}

static void intel_ept_has_its_own_line(void **state)
{
	struct host_facts facts;
	int fd;

	put(*state, "/proc/cpuinfo", CPU_VMX);
	host_gather(((struct scratch *)*state)->dir, &facts, &fd);
	assert_string_equal(facts.kvm.cpu, "vmx");
	assert_true(facts.nested_paging);
}

static void kvm_that_cannot_run_firmware(void **state)
{
	struct host_finding findings[HOST_FINDINGS];
	const struct host_finding *finding;
	struct host_facts facts;
	struct vmb_err err = {0};
	unsigned int n;

	gather_good(*state, &facts);
	facts.ability.can_run_firmware = 0;
	strcpy(facts.ability.firmware_text, "the instruction xyzzy is not emulated.");
	assert_int_equal(host_judge_ability(&facts.ability, &err), -ENOTSUP);
	assert_says(err, "cannot run firmware: the instruction xyzzy is not emulated.");
	assert_says(err, "real hardware");
	n = host_judge(&facts, findings);
	finding = find(findings, n, "self-test");
	assert_int_equal(finding->level, HOST_MISSING);
	assert_int_equal(find(findings, n, "KVM")->level, HOST_OK);
}

static void kvm_that_lacks_capabilities(void **state)
{
	struct host_facts facts;
	struct vmb_err err = {0};

	gather_good(*state, &facts);
	strcpy(facts.ability.missing, "irqfd, ioeventfd");
	assert_int_equal(host_judge_ability(&facts.ability, &err), -ENOTSUP);
	assert_says(err, "irqfd, ioeventfd");
	assert_says(err, "newer kernel");
}

static void kvm_that_does_not_answer(void **state)
{
	struct host_finding findings[HOST_FINDINGS];
	struct host_facts facts;
	unsigned int n;

	gather_good(*state, &facts);
	facts.ability_error.code = EBUSY;
	strcpy(facts.ability_error.text, "Another program holds the CPU.");
	n = host_judge(&facts, findings);
	assert_int_equal(find(findings, n, "KVM")->level, HOST_MISSING);
	assert_string_equal(find(findings, n, "KVM")->text, "Another program holds the CPU.");
}

/* cpuinfo is the kernel's, but the model's name is a string some hypervisor chose. */
static void model_name_cannot_act_on_the_terminal(void **state)
{
	struct host_facts facts;
	int fd;

	put(*state, "/proc/cpuinfo", "model name\t: evil\033[2J\nflags\t\t: svm npt\n");
	host_gather(((struct scratch *)*state)->dir, &facts, &fd);
	assert_null(strchr(facts.cpu_model, '\033'));
	assert_non_null(strstr(facts.cpu_model, "evil"));
}

static void check_says_the_same_as_its_parts(void **state)
{
	struct host_kvm_facts facts;
	struct vmb_err err = {0};
	int fd, checked;

	(void)state;
	host_gather_kvm("", &facts, &fd);
	checked = host_check_kvm(&err);
	if (fd >= 0) {
		assert_true(checked >= 0);
		assert_true(fcntl(checked, F_GETFD) & FD_CLOEXEC);
		close(checked);
		close(fd);
	} else {
		assert_true(checked < 0);
		assert_true(strlen(err.text) > 0);
	}
}

/* ---- hurried grace periods ---- */

#define RCU "/sys/kernel/rcu_expedited"

static void check_rcu(const struct scratch *machine, const char *expected)
{
	char text[16];

	assert_true(host_read_file(machine->dir, RCU, text, sizeof(text)));
	assert_string_equal(text, expected);
}

static void grace_periods_are_hurried_for_a_while(void **state)
{
	const struct scratch *machine = *state;

	char text[16];

	put(machine, RCU, "0\n");
	host_hurry_begin(machine->dir);
	assert_true(host_read_file(machine->dir, RCU, text, sizeof(text)));
	assert_true(atoi(text) > 0);
	host_hurry_end(machine->dir);
	check_rcu(machine, "0\n");
	host_hurry_end(machine->dir);
	check_rcu(machine, "0\n");
}

static void what_a_killed_process_left_hurried_is_ended(void **state)
{
	const struct scratch *machine = *state;

	put(machine, RCU, "0\n");
	host_hurry_begin(machine->dir); /* and then it was killed */
	host_hurry_begin(machine->dir);
	host_hurry_end(machine->dir);
	check_rcu(machine, "0\n");
}

static void the_operators_choice_of_grace_periods_stays(void **state)
{
	static const char *const choices[] = {"1\n", "10\n", "-1\n", "20\n"};
	const struct scratch *machine = *state;

	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		put(machine, RCU, choices[i]);
		host_hurry_begin(machine->dir);
		check_rcu(machine, choices[i]);
		host_hurry_end(machine->dir);
		check_rcu(machine, choices[i]);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(no_kvm_and_no_flag),
		T(no_kvm_in_a_virtual_machine),
		T(module_not_loaded),
		T(module_loaded_but_no_device),
		T(no_permission),
		T(kvm_that_opens_is_fine_whatever_the_flags),
		T(something_else_at_dev_kvm),
		T(empty_machine),
		T(good_machine_has_no_complaints),
		T(each_complaint),
		T(each_missing_layer_of_the_sandbox),
		T(firmware_that_was_refused_is_named),
		T(intel_ept_has_its_own_line),
		T(kvm_that_cannot_run_firmware),
		T(kvm_that_lacks_capabilities),
		T(kvm_that_does_not_answer),
		T(model_name_cannot_act_on_the_terminal),
		T(check_says_the_same_as_its_parts),
		T(grace_periods_are_hurried_for_a_while),
		T(what_a_killed_process_left_hurried_is_ended),
		T(the_operators_choice_of_grace_periods_stays),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
