/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Devices on the made-up machine: opened, reset, watched, interrupted, pulled out and closed. What
 * is lent to them is the business of loan.c and quarantine.c.
 */
#include <poll.h>

#include "ground.h"

TestSuite(dma_device, .timeout = 60);

/* PCI Local Bus Specification 3.0, 6.2.2 */
#define COMMAND 4
#define IO      1u
#define MEMORY  2u
#define MASTER  4u

static struct lab_domain *domain;
static struct lab_device *dev;
static struct ground ground;

static void begin(void)
{
	ground = level_ground();
	domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "net");
}

static void end(void)
{
	OK(lab_domain_destroy(domain));
	as_before(&ground);
}

/* 1 if it polls readable within @ms milliseconds. */
static int readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1 && p.revents & POLLIN;
}

Test(dma_device, open_and_close)
{
	begin();
	for (unsigned round = 0; round < 20; round++) {
		struct lab_device_info info;

		fake_device(FAKE_NIC)->command = IO | MEMORY | MASTER;
		dev = opened(domain, FAKE_NIC);
		cr_assert_str_eq(lab_device_name(dev), FAKE_NIC);
		cr_assert_eq(lab_device_domain(dev), domain);
		lab_device_info(dev, &info);
		cr_assert_str_eq(info.address, FAKE_NIC);
		cr_assert_eq(info.vendor, 0x1234);
		cr_assert_eq(info.device, 0x5678);
		cr_assert_eq(info.class_code, 0x020000);
		cr_assert_eq(info.node, LAB_NODE_ANY);
		cr_assert_eq(info.irqs, 16);
		cr_assert_eq(info.can_reset, 1);
		cr_assert_eq(lab_device_status(dev), LAB_DEVICE_PRESENT);
		cr_assert_not(readable(lab_device_fd(dev), 0));
		threads_are(ground.threads + 1);
		/* Whatever the firmware left: it starts no transfer. */
		cr_assert_eq(fake_command(FAKE_NIC), IO | MEMORY);
		OK(lab_device_bus_master(dev, 1));
		fake_device(FAKE_NIC)->resets = 0;
		OK(lab_device_close(dev));
		cr_assert_eq(fake_device(FAKE_NIC)->command & MASTER, 0);
		cr_assert_eq(fake_device(FAKE_NIC)->resets, 1);
		threads_are(ground.threads);
		cr_assert_eq(holdings_now().descriptors, ground.descriptors + 1);
	}
	OK(lab_device_close(NULL));
	end();
}

Test(dma_device, one_function_is_opened_once)
{
	struct lab_domain *other;

	begin();
	other = domain_on(&fake_forgetful_ops, LAB_DOMAIN_GUARDED, "other");
	dev = opened(domain, FAKE_NIC);
	FELL_SHORT(EBUSY, 0, lab_device_open(domain, FAKE_NIC), FAKE_NIC, "open in this process",
		   "'net'");
	FELL_SHORT(EBUSY, 0, lab_device_open(other, FAKE_NIC), FAKE_NIC, "'net'");
	FELL_SHORT(ENODEV, 0, lab_device_open(domain, "fa4e:00:09.0"), "fa4e:00:09.0");
	OK(lab_device_close(dev));
	dev = opened(other, FAKE_NIC);
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(other));
	end();
}

Test(dma_device, configuration_space)
{
	static const uint8_t bytes[4] = {0x11, 0x22, 0x33, 0x44};
	uint32_t word = 0;
	uint16_t half = 0;
	uint8_t byte = 0;

	begin();
	dev = opened(domain, FAKE_NIC);
	OK(lab_device_config_write(dev, 0x40, bytes, 4));
	OK(lab_device_config_read(dev, 0x40, &word, 4));
	cr_assert_eq(word, 0x44332211);
	OK(lab_device_config_read(dev, 0x42, &half, 2));
	cr_assert_eq(half, 0x4433);
	OK(lab_device_config_read(dev, 0x43, &byte, 1));
	cr_assert_eq(byte, 0x44);
	OK(lab_device_config_write(dev, FAKE_CONFIG_BYTES - 4, bytes, 4));
	OK(lab_device_config_read(dev, FAKE_CONFIG_BYTES - 1, &byte, 1));
	cr_assert_eq(byte, 0x44);
	OK(lab_device_close(dev));
	end();
}

/* One table for both: nothing outside reaches the BARs behind it, or anything else. */
Test(dma_device, outside_configuration_space)
{
	static const struct {
		unsigned offset, len;
	} wrong[] = {{0, 0},          {0, 3},          {0, 8},          {1, 2},         {2, 4},
		     {4096, 1},       {4094, 4},       {4096, 4},       {4097, 1},      {8192, 4},
		     {0xfffffffc, 4}, {0xfffffffe, 2}, {0xffffffff, 1}, {0x80000000, 4}};
	uint8_t buf[8] = {0};

	begin();
	dev = opened(domain, FAKE_NIC);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		REFUSED(EINVAL, lab_device_config_read(dev, wrong[i].offset, buf, wrong[i].len),
			FAKE_NIC, "configuration space of 4096 bytes");
		REFUSED(EINVAL, lab_device_config_write(dev, wrong[i].offset, buf, wrong[i].len),
			FAKE_NIC, "configuration space of 4096 bytes");
	}
	cr_assert_eq(lab_device_status(dev), LAB_DEVICE_PRESENT);
	OK(lab_device_close(dev));
	end();
}

Test(dma_device, bus_mastering)
{
	begin();
	dev = opened(domain, FAKE_NIC);
	fake_set_command(FAKE_NIC, 0x0440);
	OK(lab_device_bus_master(dev, 1));
	cr_assert_eq(fake_command(FAKE_NIC), 0x0440 | MEMORY | MASTER);
	OK(lab_device_bus_master(dev, 1));
	OK(lab_device_bus_master(dev, 0));
	cr_assert_eq(fake_command(FAKE_NIC), 0x0440 | MEMORY);
	OK(lab_device_close(dev));

	fake_device(FAKE_NIC)->deaf = 1;
	dev = opened(domain, FAKE_NIC);
	REFUSED(EIO, lab_device_bus_master(dev, 1), FAKE_NIC, "bus mastering on");
	OK(lab_device_bus_master(dev, 0));
	OK(lab_device_close(dev));
	end();
}

Test(dma_device, reset)
{
	struct fake_device *nic;

	begin();
	nic = fake_device(FAKE_NIC);
	dev = opened(domain, FAKE_NIC);
	OK(lab_device_reset(dev));
	cr_assert_eq(nic->resets, 1);
	nic->reset_busy = 3; /* somebody else has its lock for a while */
	OK(lab_device_reset(dev));
	cr_assert_eq(nic->resets, 2);
	nic->reset_busy = 1000;
	REFUSED(EIO, lab_device_reset(dev), FAKE_NIC, "not reset");
	nic->reset_busy = 0;
	nic->reset_result = -EINVAL;
	REFUSED(EIO, lab_device_reset(dev), FAKE_NIC, "not reset", strerror(EINVAL));
	nic->reset_result = -ENODEV;
	REFUSED(ENODEV, lab_device_reset(dev), FAKE_NIC, "not reset");
	nic->reset_result = 0;
	OK(lab_device_close(dev));

	nic->can_reset = 0;
	dev = opened(domain, FAKE_NIC);
	REFUSED(ENOTSUP, lab_device_reset(dev), FAKE_NIC, "cannot be reset", "reset_method");
	OK(lab_device_close(dev)); /* it has nothing */
	end();
}

/* Both ways in which a device shows that it is not there. */
Test(dma_device, pulled_out)
{
	for (unsigned way = 0; way < 2; way++) {
		uint32_t word;

		begin();
		dev = opened(domain, FAKE_NIC);
		if (way == 0)
			fake_pull_out(FAKE_NIC);
		else
			fake_set_command(FAKE_NIC, 0xffff);
		cr_assert_eq(lab_device_status(dev), LAB_DEVICE_PRESENT); /* nobody has looked */
		REFUSED(ENODEV, lab_device_bus_master(dev, 1), FAKE_NIC, "gone", "close it");
		cr_assert_eq(lab_device_status(dev), LAB_DEVICE_GONE);
		cr_assert(readable(lab_device_fd(dev), 0));
		if (way == 0)
			REFUSED(ENODEV, lab_device_config_read(dev, 0, &word, 4), FAKE_NIC, "gone");
		REFUSED(ENODEV, lab_device_reset(dev), FAKE_NIC, "gone");
		FELL_SHORT(ENODEV, 0, lab_device_bar(dev, 0, NULL), FAKE_NIC, "gone");
		cr_assert_eq(fake_device(FAKE_NIC)->resets, 0);
		OK(lab_device_close(dev));
		end();
	}
}

Test(dma_device, the_kernel_asks_for_it)
{
	begin();
	dev = opened(domain, FAKE_NIC);
	cr_assert_eq(fake_fire(FAKE_NIC, LAB_IRQ_REQ, 0), 1);
	cr_assert(readable(lab_device_fd(dev), 30000));
	cr_assert_eq(lab_device_status(dev), LAB_DEVICE_LEAVING);
	/* Worse can come, better cannot. */
	cr_assert_eq(fake_fire(FAKE_NIC, LAB_IRQ_ERR, 0), 1);
	while (lab_device_status(dev) == LAB_DEVICE_LEAVING)
		usleep(1000); /* the suite's time limit ends it */
	cr_assert_eq(lab_device_status(dev), LAB_DEVICE_GONE);
	cr_assert_eq(fake_fire(FAKE_NIC, LAB_IRQ_REQ, 0), 1);
	cr_assert_eq(lab_device_status(dev), LAB_DEVICE_GONE);
	OK(lab_device_close(dev));
	/* The next one starts afresh; this function tells of no errors. */
	dev = opened(domain, FAKE_DISK);
	cr_assert_eq(lab_device_status(dev), LAB_DEVICE_PRESENT);
	cr_assert_eq(fake_fire(FAKE_DISK, LAB_IRQ_ERR, 0), 0);
	cr_assert_eq(fake_fire(FAKE_DISK, LAB_IRQ_REQ, 0), 1);
	cr_assert(readable(lab_device_fd(dev), 30000));
	cr_assert_eq(lab_device_status(dev), LAB_DEVICE_LEAVING);
	OK(lab_device_close(dev));
	end();
}

static void rings(enum lab_irq_kind kind, unsigned vector)
{
	uint64_t count;
	int fd = lab_device_irq_fd(dev, vector);

	cr_assert_geq(fd, 0);
	cr_assert_not(readable(fd, 0));
	cr_assert_eq(fake_fire(FAKE_NIC, kind, vector), 1);
	cr_assert(readable(fd, 0));
	cr_assert_eq(read(fd, &count, sizeof(count)), (ssize_t)sizeof(count));
	cr_assert_eq(count, 1);
}

Test(dma_device, interrupts)
{
	unsigned before;

	begin();
	dev = opened(domain, FAKE_NIC);
	before = holdings_now().descriptors;
	REFUSED(ENOENT, lab_device_irq_fd(dev, 0), FAKE_NIC, "not enabled");
	OK(lab_device_irq_disable(dev)); /* nothing to do */
	REFUSED(EINVAL, lab_device_irq_enable(dev, 0), FAKE_NIC, "16 of MSI-X", "4 of MSI");
	REFUSED(EINVAL, lab_device_irq_enable(dev, 17), FAKE_NIC, "17 interrupts", "1 of INTx");
	cr_assert_eq(holdings_now().descriptors, before);
	for (unsigned n = 1; n <= 16; n *= 4) {
		OK(lab_device_irq_enable(dev, n)); /* instead of those before */
		/* One of the library's and one of the machine's for each. */
		cr_assert_eq(holdings_now().descriptors, before + 2 * n);
		for (unsigned i = 0; i < n; i++)
			rings(LAB_IRQ_MSIX, i);
		REFUSED(ENOENT, lab_device_irq_fd(dev, n), FAKE_NIC);
		OK(lab_device_irq_unmask(dev));
	}
	cr_assert_eq(fake.calls[FAKE_IRQ_UNMASK], 0); /* for INTx only */
	OK(lab_device_irq_disable(dev));
	cr_assert_eq(holdings_now().descriptors, before);
	cr_assert_eq(fake_fire(FAKE_NIC, LAB_IRQ_MSIX, 0), 0);
	REFUSED(ENOENT, lab_device_irq_fd(dev, 0), FAKE_NIC, "0 are");
	OK(lab_device_irq_enable(dev, 3));
	OK(lab_device_close(dev)); /* with three of them enabled */
	end();
}

/* The best kind that has enough of them. */
Test(dma_device, kinds_of_interrupts)
{
	begin();
	fake_device(FAKE_NIC)->irqs[LAB_IRQ_MSIX] = 2;
	dev = opened(domain, FAKE_NIC);
	OK(lab_device_irq_enable(dev, 4));
	rings(LAB_IRQ_MSI, 3);
	OK(lab_device_irq_enable(dev, 2));
	rings(LAB_IRQ_MSIX, 1);
	cr_assert_eq(fake_fire(FAKE_NIC, LAB_IRQ_MSI, 3), 0); /* that kind is off now */
	OK(lab_device_close(dev));

	fake_device(FAKE_NIC)->irqs[LAB_IRQ_MSIX] = fake_device(FAKE_NIC)->irqs[LAB_IRQ_MSI] = 0;
	dev = opened(domain, FAKE_NIC);
	OK(lab_device_irq_unmask(dev));
	cr_assert_eq(fake_device(FAKE_NIC)->unmasked, 0); /* nothing is enabled */
	OK(lab_device_irq_enable(dev, 1));
	rings(LAB_IRQ_INTX, 0);
	OK(lab_device_irq_unmask(dev));
	cr_assert_eq(fake_device(FAKE_NIC)->unmasked, 1);
	fake_fail(FAKE_IRQ_UNMASK, 1, EIO);
	REFUSED(EIO, lab_device_irq_unmask(dev), FAKE_NIC, "unmasked");
	cr_assert(fake_failed());
	OK(lab_device_close(dev));
	end();
}

Test(dma_device, interrupts_that_fail)
{
	unsigned before;

	begin();
	dev = opened(domain, FAKE_NIC);
	before = holdings_now().descriptors;
	fake_fail(FAKE_IRQS, 1, ENOSPC);
	REFUSED(ENOSPC, lab_device_irq_enable(dev, 4), FAKE_NIC, "gives no 4 interrupts");
	cr_assert(fake_failed());
	cr_assert_eq(holdings_now().descriptors, before);
	REFUSED(ENOENT, lab_device_irq_fd(dev, 0), FAKE_NIC);
	OK(lab_device_irq_enable(dev, 2));
	fake_fail(FAKE_IRQS, 1, EIO);
	REFUSED(EIO, lab_device_irq_disable(dev), FAKE_NIC, "does not switch");
	cr_assert(fake_failed());
	REFUSED(ENOENT, lab_device_irq_fd(dev, 0), FAKE_NIC);
	OK(lab_device_irq_enable(dev, 2));
	rings(LAB_IRQ_MSIX, 1);
	OK(lab_device_close(dev));
	end();
}

Test(dma_device, bars)
{
	size_t bytes = 0;
	char *bar;

	begin();
	dev = opened(domain, FAKE_NIC);
	bar = lab_device_bar(dev, 0, &bytes);
	cr_assert_not_null(bar, "%s", lab_error_text());
	cr_assert_eq(bytes, FAKE_BAR_BYTES);
	lab_mmio_write32(bar, 8, 0x12345678);
	cr_assert_eq(lab_mmio_read32(bar, 8), 0x12345678);
	lab_mmio_write64(bar, 16, 0x123456789abcdef0);
	cr_assert_eq(lab_mmio_read64(bar, 16), 0x123456789abcdef0);
	cr_assert_eq(lab_mmio_read32(bar, 16), 0x9abcdef0);
	cr_assert_eq(lab_device_bar(dev, 0, NULL), bar);
	FELL_SHORT(ENOENT, 0, lab_device_bar(dev, 1, NULL), FAKE_NIC, "no memory BAR 1");
	FELL_SHORT(EINVAL, 0, lab_device_bar(dev, 6, NULL), FAKE_NIC, "0 to 5, not 6");
	OK(lab_device_close(dev));
	cr_assert_eq(msync(bar, 4096, MS_ASYNC), -1); /* it went with the device */
	end();
}

/* Whichever step fails, the next open finds everything as it was. */
Test(dma_device, an_open_that_fails)
{
	begin();
	for (enum fake_op op = FAKE_FIND; op < FAKE_CAN_FAIL; op++) {
		struct lab_device *failed;

		fake_fail(op, 1, EACCES);
		errno = 0;
		failed = lab_device_open(domain, FAKE_NIC);
		if (!fake_failed()) { /* it does not belong to an open */
			OK(lab_device_close(failed));
			continue;
		}
		cr_assert_null(failed, "%s failed", fake_op_name(op));
		cr_assert_eq(errno, EACCES);
		cr_assert(strstr(lab_error_text(), "fail") || strstr(lab_error_text(), FAKE_NIC),
			  "%s", lab_error_text());
		cr_assert_null(fake_device(FAKE_NIC)->dev);
		cr_assert_eq(domain_stats(domain).devices, 0);
		threads_are(ground.threads);
		cr_assert_eq(holdings_now().descriptors, ground.descriptors + 1);
	}
	fake_device(FAKE_NIC)->command = 0xffff; /* it is not really there */
	FELL_SHORT(ENODEV, 0, lab_device_open(domain, FAKE_NIC), FAKE_NIC, "gone");
	threads_are(ground.threads);
	end();
}
