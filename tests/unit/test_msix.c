/*
 * MSI-X of one function, with a fake that records connections. PCI Local Bus 3.0, 6.8.2 and 6.8.3.
 */
#include "test.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "vmm/pci/msix.h"

#define VECTORS 3
#define ENABLE	PCI_MSIX_FLAGS_ENABLE
#define MASKALL PCI_MSIX_FLAGS_MASKALL

struct connection {
	int eventfd;
	uint64_t addr;
	uint32_t data;
};

struct fixture {
	struct pci_device dev;
	struct msix msix;
	struct connection by_vector[VECTORS]; /* eventfd -1: not connected */
	int connects, disconnects, refuse;
};

/* The handle is ours to choose: vector's place in the order of first connections, plus one. */
static int connect_vector(void *ctx, int fd, uint64_t addr, uint32_t data, uint32_t *handle)
{
	struct fixture *f = ctx;

	if (f->refuse)
		return f->refuse;
	f->connects++;
	if (!*handle)
		for (uint32_t i = 0; i < VECTORS && !*handle; i++)
			if (f->by_vector[i].eventfd < 0)
				*handle = i + 1;
	assert_in_range(*handle, 1, VECTORS);
	f->by_vector[*handle - 1] = (struct connection){fd, addr, data};
	return 0;
}

static void disconnect_vector(void *ctx, int fd, uint32_t *handle)
{
	struct fixture *f = ctx;

	f->disconnects++;
	assert_in_range(*handle, 1, VECTORS);
	assert_int_equal(f->by_vector[*handle - 1].eventfd, fd);
	f->by_vector[*handle - 1].eventfd = -1;
	*handle = 0;
}

static void no_destroy(struct pci_device *dev)
{
	(void)dev;
}

static const struct pci_device_ops dev_ops = {.destroy = no_destroy};
static const struct msi_ops msi_ops = {connect_vector, disconnect_vector};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct pci_ids ids = {.vendor = 1};
	const struct msi_target target = {&msi_ops, f};

	for (int i = 0; i < VECTORS; i++)
		f->by_vector[i].eventfd = -1;
	pci_device_init(&f->dev, &dev_ops, &ids);
	assert_int_equal(msix_init(&f->msix, &f->dev, &target, VECTORS, 4, 0x2000, 0x3000), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	msix_fini(&f->msix);
	assert_int_equal(f->connects >= f->disconnects, 1);
	for (int i = 0; i < VECTORS; i++)
		assert_int_equal(f->by_vector[i].eventfd, -1);
	pci_device_fini(&f->dev);
	free(f);
	return 0;
}

static void set_flags(struct fixture *f, uint16_t flags)
{
	pci_device_cfg_write(&f->dev, f->msix.cap + PCI_MSIX_FLAGS, 2, flags);
	msix_cfg_written(&f->msix);
}

static void set_entry(struct fixture *f, unsigned int v, uint64_t addr, uint32_t data,
		      uint32_t ctrl)
{
	msix_table_write(&f->msix, v * 16 + 12, 4, 1);
	msix_table_write(&f->msix, v * 16 + 0, 4, (uint32_t)addr);
	msix_table_write(&f->msix, v * 16 + 4, 4, addr >> 32);
	msix_table_write(&f->msix, v * 16 + 8, 4, data);
	msix_table_write(&f->msix, v * 16 + 12, 4, ctrl);
}

/* How often vector V was sent since the last look. */
static uint64_t sent(struct fixture *f, unsigned int v)
{
	eventfd_t n = 0;

	return eventfd_read(f->msix.vectors[v].eventfd, &n) < 0 ? 0 : n;
}

static void capability(void **state)
{
	struct fixture *f = *state;
	unsigned int cap = f->msix.cap;

	assert_int_equal(f->dev.cfg[cap], PCI_CAP_ID_MSIX);
	assert_int_equal(pci_get16(f->dev.cfg + cap + PCI_MSIX_FLAGS), VECTORS - 1);
	assert_int_equal(pci_get32(f->dev.cfg + cap + PCI_MSIX_TABLE), 0x2004);
	assert_int_equal(pci_get32(f->dev.cfg + cap + PCI_MSIX_PBA), 0x3004);
	pci_device_cfg_write(&f->dev, cap + PCI_MSIX_FLAGS, 2, 0xFFFF);
	assert_int_equal(pci_get16(f->dev.cfg + cap + PCI_MSIX_FLAGS),
			 ENABLE | MASKALL | (VECTORS - 1));
	pci_device_cfg_write(&f->dev, cap + PCI_MSIX_TABLE, 4, 0xFFFFFFFF);
	assert_int_equal(pci_get32(f->dev.cfg + cap + PCI_MSIX_TABLE), 0x2004);
}

static void table_registers(void **state)
{
	struct fixture *f = *state;

	for (unsigned int v = 0; v < VECTORS; v++) {
		assert_int_equal(msix_table_read(&f->msix, v * 16, 8), 0);
		assert_int_equal(msix_table_read(&f->msix, v * 16 + 12, 4), 1); /* masked */
	}
	msix_table_write(&f->msix, 16, 8, 0x12345678FEE0100FULL);
	assert_int_equal(msix_table_read(&f->msix, 16, 8), 0x12345678FEE0100CULL);
	assert_int_equal(msix_table_read(&f->msix, 20, 4), 0x12345678);
	msix_table_write(&f->msix, 24, 8, 0xFFFFFFFFCAFEF00DULL);
	assert_int_equal(msix_table_read(&f->msix, 24, 4), 0xCAFEF00D);
	assert_int_equal(msix_table_read(&f->msix, 28, 4), 1); /* reserved bits stay zero */
	/* Only aligned dwords and qwords inside the table. */
	msix_table_write(&f->msix, 24, 1, 0);
	msix_table_write(&f->msix, 24, 2, 0);
	msix_table_write(&f->msix, 26, 4, 0);
	msix_table_write(&f->msix, 20, 8, 0);
	msix_table_write(&f->msix, VECTORS * 16, 4, 0);
	msix_table_write(&f->msix, VECTORS * 16 - 4, 8, 0);
	msix_table_write(&f->msix, UINT64_MAX - 3, 4, 0);
	assert_int_equal(msix_table_read(&f->msix, 24, 4), 0xCAFEF00D);
	assert_int_equal(msix_table_read(&f->msix, 20, 4), 0x12345678);
	assert_int_equal(msix_table_read(&f->msix, VECTORS * 16, 4), 0);
	assert_int_equal(msix_pba_read(&f->msix, 8, 4), 0);
}

static void signal_goes_where_the_entry_says(void **state)
{
	struct fixture *f = *state;

	set_entry(f, 1, 0xFEE01000, 0x41, 0);
	set_flags(f, ENABLE);
	assert_int_equal(msix_use(&f->msix, 1), 0);
	assert_int_equal(f->by_vector[0].addr, 0xFEE01000);
	assert_int_equal(f->by_vector[0].data, 0x41);
	msix_signal(&f->msix, 1);
	msix_signal(&f->msix, 1);
	assert_int_equal(sent(f, 1), 2);
	assert_int_equal(sent(f, 0), 0);
	/* Vectors that do not exist, or that nobody uses. */
	msix_signal(&f->msix, 0);
	msix_signal(&f->msix, VECTORS);
	msix_signal(&f->msix, MSIX_NO_VECTOR);
	assert_int_equal(sent(f, 0), 0);
	assert_int_equal(msix_use(&f->msix, VECTORS), -EINVAL);
	assert_int_equal(msix_use(&f->msix, MSIX_NO_VECTOR), -EINVAL);
	/* Using it again changes nothing. */
	assert_int_equal(msix_use(&f->msix, 1), 0);
	assert_int_equal(f->connects, 1);
}

/* The order Linux goes: vector chosen while masked, then address and data, then unmask. */
static void entry_written_after_use(void **state)
{
	struct fixture *f = *state;

	set_flags(f, ENABLE);
	assert_int_equal(msix_use(&f->msix, 0), 0);
	set_entry(f, 0, 0xFEE00000, 0x22, 0);
	msix_signal(&f->msix, 0);
	assert_int_equal(sent(f, 0), 1);
	assert_int_equal(f->by_vector[0].addr, 0xFEE00000);
	assert_int_equal(f->by_vector[0].data, 0x22);
	/* Moved to another CPU while unmasked, word by word. */
	msix_table_write(&f->msix, 0, 4, 0xFEE02000);
	msix_table_write(&f->msix, 8, 4, 0x33);
	assert_int_equal(f->by_vector[0].addr, 0xFEE02000);
	assert_int_equal(f->by_vector[0].data, 0x33);
	/* Masking and unmasking alone costs no new connection. */
	int before = f->connects;

	msix_table_write(&f->msix, 12, 4, 1);
	msix_table_write(&f->msix, 12, 4, 0);
	assert_int_equal(f->connects, before);
}

static void vector_mask_holds_back_once(void **state)
{
	struct fixture *f = *state;

	set_flags(f, ENABLE);
	set_entry(f, 2, 0xFEE00000, 1, 1);
	assert_int_equal(msix_use(&f->msix, 2), 0);
	msix_signal(&f->msix, 2);
	msix_signal(&f->msix, 2);
	assert_int_equal(sent(f, 2), 0);
	assert_int_equal(msix_pba_read(&f->msix, 0, 8), 1 << 2);
	assert_int_equal(msix_pba_read(&f->msix, 0, 4), 1 << 2);
	assert_int_equal(msix_pba_read(&f->msix, 4, 4), 0);
	msix_table_write(&f->msix, 2 * 16 + 8, 4, 0x99); /* new data first, then the message */
	msix_table_write(&f->msix, 2 * 16 + 12, 4, 0);
	assert_int_equal(f->by_vector[0].data, 0x99);
	assert_int_equal(sent(f, 2), 1);
	assert_int_equal(msix_pba_read(&f->msix, 0, 8), 0);
}

static void function_mask_holds_all_back(void **state)
{
	struct fixture *f = *state;

	for (unsigned int v = 0; v < VECTORS; v++) {
		set_entry(f, v, 0xFEE00000, v, v == 1);
		assert_int_equal(msix_use(&f->msix, v), 0);
	}
	set_flags(f, ENABLE | MASKALL);
	for (unsigned int v = 0; v < VECTORS; v++)
		msix_signal(&f->msix, v);
	assert_int_equal(msix_pba_read(&f->msix, 0, 8), 7);
	set_flags(f, ENABLE);
	assert_int_equal(sent(f, 0), 1);
	assert_int_equal(sent(f, 1), 0); /* has its own mask as well */
	assert_int_equal(sent(f, 2), 1);
	assert_int_equal(msix_pba_read(&f->msix, 0, 8), 1 << 1);
}

static void switched_off_means_silence(void **state)
{
	struct fixture *f = *state;

	set_entry(f, 0, 0xFEE00000, 1, 0);
	assert_int_equal(msix_use(&f->msix, 0), 0);
	assert_false(msix_enabled(&f->msix));
	msix_signal(&f->msix, 0);
	assert_int_equal(sent(f, 0), 0);
	set_flags(f, ENABLE);
	assert_true(msix_enabled(&f->msix));
	assert_int_equal(sent(f, 0), 0); /* was never pending */
}

static void refused_connections(void **state)
{
	struct fixture *f = *state;

	set_flags(f, ENABLE);
	set_entry(f, 0, 0xFEE00000, 1, 0);
	f->refuse = -ENOSPC;
	assert_int_equal(msix_use(&f->msix, 0), -ENOSPC);
	assert_true(msix_failed(&f->msix, 0));
	msix_signal(&f->msix, 0);
	assert_int_equal(sent(f, 0), 0);
	f->refuse = 0;
	assert_int_equal(msix_use(&f->msix, 0), 0);
	assert_false(msix_failed(&f->msix, 0));
	/* Later, when the entry changes: nothing is sent to the old address either. */
	f->refuse = -ENOSPC;
	msix_table_write(&f->msix, 8, 4, 2);
	assert_true(msix_failed(&f->msix, 0));
	msix_signal(&f->msix, 0);
	assert_int_equal(sent(f, 0), 0);
	assert_false(msix_failed(&f->msix, 1));
	assert_false(msix_failed(&f->msix, MSIX_NO_VECTOR));
}

static void reset_brings_power_on_state(void **state)
{
	struct fixture *f = *state;

	set_flags(f, ENABLE);
	set_entry(f, 0, 0xFEE00000, 1, 0);
	set_entry(f, 1, 0xFEE00000, 1, 1);
	assert_int_equal(msix_use(&f->msix, 0), 0);
	assert_int_equal(msix_use(&f->msix, 1), 0);
	msix_signal(&f->msix, 0);
	msix_signal(&f->msix, 1);
	msix_reset(&f->msix);
	assert_int_equal(f->disconnects, 2);
	assert_int_equal(sent(f, 0), 0); /* nothing of the old life arrives in the new one */
	assert_int_equal(msix_pba_read(&f->msix, 0, 8), 0);
	assert_int_equal(msix_table_read(&f->msix, 0, 8), 0);
	assert_int_equal(msix_table_read(&f->msix, 12, 4), 1);
	msix_signal(&f->msix, 0);
	assert_int_equal(msix_pba_read(&f->msix, 0, 8), 0); /* nobody uses it now */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(capability),
		TEST(table_registers),
		TEST(signal_goes_where_the_entry_says),
		TEST(entry_written_after_use),
		TEST(vector_mask_holds_back_once),
		TEST(function_mask_holds_all_back),
		TEST(switched_off_means_silence),
		TEST(refused_connections),
		TEST(reset_brings_power_on_state),
	};

	return cmocka_run_group_tests_name("msix", tests, NULL, NULL);
}
