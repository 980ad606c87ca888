/* Interrupt wires, MSI routes and doorbells, with KVM replaced by notes of what it was asked for. */
#include "test.h"

#include <errno.h>

#include "vmm/irq_kvm.h"
#include "vmm/kvm.h"
#include "vmm/layout.h"

static struct {
	bool line[LAYOUT_GSI_COUNT];
	int line_calls;
	bool route_used[8], route_set[8];
	uint64_t addr[8];
	uint32_t data[8];
	int irqfd_of[8]; /* eventfd + 1 */
	int attached;	 /* doorbells */
	int fail_set, fail_irqfd;
} fake;

void __wrap_kvm_set_line(struct kvm_vm *vm, unsigned int gsi, bool level);
int __wrap_kvm_route_alloc(struct kvm_vm *vm, uint32_t *ret_gsi);
int __wrap_kvm_route_set(struct kvm_vm *vm, uint32_t gsi, uint64_t addr, uint32_t data);
void __wrap_kvm_route_free(struct kvm_vm *vm, uint32_t gsi);
int __wrap_kvm_irqfd(struct kvm_vm *vm, int eventfd, uint32_t gsi, bool assign);
int __wrap_kvm_ioeventfd(struct kvm_vm *vm, const struct doorbell_place *place, unsigned int size,
			 int eventfd, bool assign);

void __wrap_kvm_set_line(struct kvm_vm *vm, unsigned int gsi, bool level)
{
	(void)vm;
	fake.line[gsi] = level;
	fake.line_calls++;
}

int __wrap_kvm_route_alloc(struct kvm_vm *vm, uint32_t *ret_gsi)
{
	(void)vm;
	for (uint32_t i = 0; i < 8; i++) {
		if (fake.route_used[i])
			continue;
		fake.route_used[i] = true;
		*ret_gsi = LAYOUT_GSI_COUNT + i;
		return 0;
	}
	return -ENOSPC;
}

int __wrap_kvm_route_set(struct kvm_vm *vm, uint32_t gsi, uint64_t addr, uint32_t data)
{
	uint32_t i = gsi - LAYOUT_GSI_COUNT;

	(void)vm;
	assert_true(fake.route_used[i]);
	if (fake.fail_set)
		return -EINVAL;
	fake.route_set[i] = true;
	fake.addr[i] = addr;
	fake.data[i] = data;
	return 0;
}

void __wrap_kvm_route_free(struct kvm_vm *vm, uint32_t gsi)
{
	uint32_t i = gsi - LAYOUT_GSI_COUNT;

	(void)vm;
	assert_true(fake.route_used[i]);
	assert_int_equal(fake.irqfd_of[i], 0); /* nothing may still point at it */
	fake.route_used[i] = fake.route_set[i] = false;
}

int __wrap_kvm_irqfd(struct kvm_vm *vm, int eventfd, uint32_t gsi, bool assign)
{
	uint32_t i = gsi - LAYOUT_GSI_COUNT;

	(void)vm;
	if (assign && fake.fail_irqfd)
		return -EBUSY;
	assert_true(fake.route_set[i]); /* the message is known before it can be sent */
	assert_int_equal(fake.irqfd_of[i], assign ? 0 : eventfd + 1);
	fake.irqfd_of[i] = assign ? eventfd + 1 : 0;
	return 0;
}

int __wrap_kvm_ioeventfd(struct kvm_vm *vm, const struct doorbell_place *place, unsigned int size,
			 int eventfd, bool assign)
{
	(void)vm;
	assert_true(place->is_port);
	assert_int_equal(place->addr, 0xC000);
	assert_int_equal(size, 2);
	assert_int_equal(eventfd, 9);
	fake.attached += assign ? 1 : -1;
	return 0;
}

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	return irq_wires_create(NULL, (struct irq_wires **)state);
}

static int teardown(void **state)
{
	irq_wires_destroy(*state);
	return 0;
}

static void shared_line_is_the_or_of_its_sources(void **state)
{
	struct irq_pin a, b, other;

	assert_int_equal(irq_wires_connect(*state, 16, &a), 0);
	assert_int_equal(irq_wires_connect(*state, 16, &b), 0);
	assert_int_equal(irq_wires_connect(*state, 17, &other), 0);
	irq_pin_set(&a, true);
	assert_true(fake.line[16]);
	irq_pin_set(&b, true);
	irq_pin_set(&a, false);
	assert_true(fake.line[16]);
	irq_pin_set(&b, false);
	assert_false(fake.line[16]);
	assert_false(fake.line[17]);
	/* Said again is not said twice. */
	irq_pin_set(&a, true);
	irq_pin_set(&a, true);
	irq_pin_set(&a, false);
	assert_false(fake.line[16]);
	irq_pin_set(&a, false);
	irq_pin_set(&b, true);
	assert_true(fake.line[16]);
}

/* The kernel is asked only when the line changes. */
static void unchanged_line_costs_no_call(void **state)
{
	struct irq_pin a, b;

	assert_int_equal(irq_wires_connect(*state, 16, &a), 0);
	assert_int_equal(irq_wires_connect(*state, 16, &b), 0);
	irq_pin_set(&a, true);
	irq_pin_set(&b, true);
	irq_pin_set(&a, true);
	irq_pin_set(&b, false);
	assert_int_equal(fake.line_calls, 1);
}

static void reset_lowers_everything(void **state)
{
	struct irq_pin a;

	assert_int_equal(irq_wires_connect(*state, 5, &a), 0);
	irq_pin_set(&a, true);
	irq_wires_reset(*state);
	assert_false(fake.line[5]);
	irq_pin_set(&a, true);
	assert_true(fake.line[5]);
}

static void lines_that_are_not_there(void **state)
{
	struct irq_pin pin = {0};
	int n = 0;

	assert_int_equal(irq_wires_connect(*state, LAYOUT_GSI_COUNT, &pin), -EINVAL);
	assert_null(pin.set);
	while (irq_wires_connect(*state, 16, &pin) == 0)
		n++;
	/* The board's own and every slot's. */
	assert_in_range(n, 40, 100000);
}

static void vector_keeps_its_route(void **state)
{
	uint32_t handle = 0, gsi;

	(void)state;
	assert_int_equal(irq_kvm_msi_ops.connect(NULL, 7, 0xFEE00000, 0x41, &handle), 0);
	gsi = handle;
	assert_true(gsi >= LAYOUT_GSI_COUNT);
	assert_int_equal(fake.irqfd_of[gsi - LAYOUT_GSI_COUNT], 8);
	/* Another message: the same route, the eventfd stays connected all the time. */
	assert_int_equal(irq_kvm_msi_ops.connect(NULL, 7, 0xFEE01000, 0x42, &handle), 0);
	assert_int_equal(handle, gsi);
	assert_int_equal(fake.addr[gsi - LAYOUT_GSI_COUNT], 0xFEE01000);
	assert_int_equal(fake.data[gsi - LAYOUT_GSI_COUNT], 0x42);
	irq_kvm_msi_ops.disconnect(NULL, 7, &handle);
	assert_int_equal(handle, 0);
	irq_kvm_msi_ops.disconnect(NULL, 7, &handle);
	for (int i = 0; i < 8; i++)
		assert_false(fake.route_used[i]);
}

static void failed_connection_leaves_nothing(void **state)
{
	uint32_t handle = 0;

	(void)state;
	fake.fail_set = 1;
	assert_int_equal(irq_kvm_msi_ops.connect(NULL, 7, 0xFEE00000, 1, &handle), -EINVAL);
	fake.fail_set = 0;
	fake.fail_irqfd = 1;
	assert_int_equal(irq_kvm_msi_ops.connect(NULL, 7, 0xFEE00000, 1, &handle), -EBUSY);
	fake.fail_irqfd = 0;
	assert_int_equal(handle, 0);
	for (int i = 0; i < 8; i++)
		assert_false(fake.route_used[i]);
	/* More vectors than routes: refused, and the ones before work on. */
	for (int i = 0; i < 8; i++) {
		handle = 0;
		assert_int_equal(irq_kvm_msi_ops.connect(NULL, i, 0xFEE00000, 1, &handle), 0);
	}
	handle = 0;
	assert_int_equal(irq_kvm_msi_ops.connect(NULL, 9, 0xFEE00000, 1, &handle), -ENOSPC);
	assert_int_equal(handle, 0);
}

static void doorbells_pass_through(void **state)
{
	const struct doorbell_place place = {.is_port = true, .addr = 0xC000};

	(void)state;
	assert_int_equal(irq_kvm_doorbell_ops.attach(NULL, &place, 2, 9), 0);
	irq_kvm_doorbell_ops.detach(NULL, &place, 2, 9);
	assert_int_equal(fake.attached, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shared_line_is_the_or_of_its_sources),
		TEST(unchanged_line_costs_no_call),
		TEST(reset_lowers_everything),
		TEST(lines_that_are_not_there),
		TEST(vector_keeps_its_route),
		TEST(failed_connection_leaves_nothing),
		TEST(doorbells_pass_through),
	};

	return cmocka_run_group_tests_name("irq", tests, NULL, NULL);
}
