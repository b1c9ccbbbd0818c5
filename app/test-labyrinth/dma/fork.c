/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Domains and devices belong to the process that made them: a child of fork() has their handles,
 * none of their descriptors, and no way to disturb the parent.
 */
#include <poll.h>

#include "ground.h"

TestSuite(dma_fork, .timeout = 60);

/** struct family - what the parent has, and the child inherits handles of. */
struct family {
	struct lab_domain *domain;
	struct lab_device *dev;
	struct lab_pool *pool;
	struct lab_run run;
	void *frame[4];
	unsigned descriptors; /* before all of it */
};

/* A call that is refused in the child, and says to whom the domain belongs. */
#define NOT_OURS(call)                                                                 \
	do {                                                                           \
		errno = 0;                                                             \
		CHILD_EXPECT((call) == -EPERM && errno == EPERM);                      \
		CHILD_EXPECT(strstr(lab_error_text(), "'net' belongs to the parent")); \
	} while (0)

static void all_calls(void *arg)
{
	struct family *f = arg;
	struct lab_run run = f->run, another;
	uint64_t iova[4];
	uint32_t word = 0;

	CHILD_EXPECT(f->dev->fd == -1);
	CHILD_EXPECT(descriptors_to("fake-device") == 0);
	CHILD_EXPECT(descriptors_to("fake-domain") == 0);
	NOT_OURS(lab_domain_map_pool(f->domain, f->pool, LAB_DMA_BOTH));
	NOT_OURS(lab_domain_unmap_pool(f->domain, f->pool));
	NOT_OURS(lab_run_alloc(f->domain, 1, 0, LAB_DMA_BOTH, &another));
	NOT_OURS(lab_run_free(f->domain, &run));
	NOT_OURS(lab_device_config_read(f->dev, 0, &word, 4));
	NOT_OURS(lab_device_config_write(f->dev, 0, &word, 4));
	NOT_OURS(lab_device_bus_master(f->dev, 0));
	NOT_OURS(lab_device_reset(f->dev));
	NOT_OURS(lab_device_irq_enable(f->dev, 1));
	NOT_OURS(lab_device_irq_unmask(f->dev));
	errno = 0;
	CHILD_EXPECT(!lab_device_open(f->domain, FAKE_DISK) && errno == EPERM);
	CHILD_EXPECT(!lab_device_bar(f->dev, 0, NULL) && errno == EPERM);
	errno = 0;
	CHILD_EXPECT(!lab_device_lend(f->dev, f->pool, f->frame, 4, iova) && errno == EPERM);
	errno = 0;
	CHILD_EXPECT(!lab_device_take_back(f->dev, f->pool, f->frame, 4) && errno == EPERM);
	CHILD_EXPECT(lab_domain_iova(f->domain, f->pool, f->frame[0]) == LAB_ADDR_NONE);
	NOT_OURS(lab_device_irq_disable(f->dev));
	CHILD_EXPECT(lab_device_close(f->dev) == 0);
	CHILD_EXPECT(lab_domain_destroy(f->domain) == 0);
	CHILD_EXPECT(lab_pool_destroy(f->pool) == 0);
	CHILD_EXPECT(holdings_now().descriptors == f->descriptors);
	CHILD_EXPECT(fake.wrong == 0);
}

/* The child's file takes the number that the device had: no call may reach it. */
static void own_file(void *arg)
{
	struct family *f = arg;
	int fd = memfd_create("mine", MFD_CLOEXEC);
	uint32_t word = 0xffffffff;
	char byte = 0;

	CHILD_EXPECT(fd >= 0 && ftruncate(fd, 8192) == 0);
	lab_device_config_write(f->dev, 4, &word, 4);
	lab_device_bus_master(f->dev, 1);
	lab_device_close(f->dev);
	lab_domain_destroy(f->domain);
	CHILD_EXPECT(pread(fd, &byte, 1, 4) == 1 && byte == 0);
}

/* A domain and a device of its own. */
static void begin_again(void *arg)
{
	struct family *f = arg;
	struct lab_domain_config config = {.name = "mine"};
	struct lab_domain *domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
	struct lab_device *dev;

	CHILD_EXPECT(domain);
	dev = lab_device_open(domain, FAKE_DISK);
	CHILD_EXPECT(dev);
	CHILD_EXPECT(lab_device_bus_master(dev, 1) == 0);
	CHILD_EXPECT(lab_device_close(dev) == 0);
	CHILD_EXPECT(lab_domain_destroy(domain) == 0);
	CHILD_EXPECT(lab_device_close(f->dev) == 0);
}

static void with_a_child(enum lab_domain_mode mode, void (*body)(void *))
{
	struct ground ground = level_ground();
	struct family f = {.descriptors = ground.descriptors};
	struct pollfd p;

	child_words(); /* before anything is counted */
	f.domain = domain_on(&fake_keeping_ops, mode, "net");
	f.dev = opened(f.domain, FAKE_NIC);
	f.pool = named_pool("rx", 64, 0);
	OK(lab_domain_map_pool(f.domain, f.pool, LAB_DMA_BOTH));
	OK(lab_run_alloc(f.domain, 2, 0, LAB_DMA_BOTH, &f.run));
	OK(lab_device_irq_enable(f.dev, 3));
	OK(lab_device_bus_master(f.dev, 1));
	cr_assert_not_null(lab_device_bar(f.dev, 0, NULL));
	OK(lab_alloc_bulk(f.pool, f.frame, 4, 0));
	cr_assert_eq(lab_device_lend(f.dev, f.pool, f.frame, 2, NULL), 2);

	in_child(body, &f);

	/* The parent has all that it had. */
	p = (struct pollfd){.fd = lab_device_fd(f.dev), .events = POLLIN};
	cr_assert_eq(poll(&p, 1, 0), 0);
	cr_assert_eq(lab_device_status(f.dev), LAB_DEVICE_PRESENT);
	cr_assert_eq(fake_command(FAKE_NIC) & 4, 4);
	cr_assert_eq(fake_fire(FAKE_NIC, LAB_IRQ_MSIX, 2), 1);
	p.fd = lab_device_irq_fd(f.dev, 2);
	cr_assert_eq(poll(&p, 1, 0), 1);
	conserved(f.pool, 2, 2);
	says_the_truth(f.domain);
	cr_assert_eq(fake_reach(f.domain, lab_domain_iova(f.domain, f.pool, f.frame[0]), 4096,
				LAB_DMA_BOTH),
		     f.frame[0]);
	cr_assert_eq(lab_device_take_back(f.dev, f.pool, f.frame, 2), 2);
	OK(lab_free_bulk(f.pool, f.frame, 4));
	OK(lab_run_free(f.domain, &f.run));
	OK(lab_device_close(f.dev));
	OK(lab_domain_destroy(f.domain));
	end_whole(f.pool);
	as_before(&ground);
}

Test(dma_fork, a_child_is_refused)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++)
		with_a_child((enum lab_domain_mode)mode, all_calls);
}

Test(dma_fork, a_childs_own_files_are_safe)
{
	with_a_child(LAB_DOMAIN_GUARDED, own_file);
}

Test(dma_fork, a_child_may_begin_anew)
{
	if (UNDER_ASAN)
		cr_skip_test("AddressSanitizer's allocator may stay locked after fork()");
	with_a_child(LAB_DOMAIN_STRICT, begin_again);
}
