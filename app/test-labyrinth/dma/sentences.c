/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What is said to wrong arguments: the error, and words that the sentence must have so that its
 * reader knows what to change. Also PCI addresses, right and wrong.
 */
#include <dirent.h>

#include "ground.h"

#include "dma/pci.h"

TestSuite(dma_sentences, .timeout = 60);

static struct lab_domain *domain;
static struct lab_device *dev;
static struct lab_pool *pool;
static struct lab_run run;

#define WORDS 4

/** struct wrong_call - a call that must be refused; without an error it returns NULL. */
struct wrong_call {
	long long (*call)(void);
	int error;
	const char *words[WORDS];
};

#define CALL(name, expression)       \
	static long long name(void)  \
	{                            \
		return (expression); \
	}

static long long created(enum lab_domain_mode mode, uint32_t bits, const struct lab_iommu_ops *ops)
{
	struct lab_domain_config config = {.name = "new", .mode = mode, .address_bits = bits};

	return lab_domain_create_on(&config, ops, NULL) ? 0 : -errno;
}

static long long created_by_name(const char *backend)
{
	struct lab_domain_config config = {.backend = backend};

	return lab_domain_create(&config) ? 0 : -errno;
}

static long long created_by_environment(void)
{
	long long got;

	setenv("LABYRINTH_IOMMU", "amd", 1);
	got = created_by_name(NULL);
	unsetenv("LABYRINTH_IOMMU");
	return got;
}

CALL(mode_3, created((enum lab_domain_mode)3, 0, &fake_keeping_ops))
CALL(bits_11, created(LAB_DOMAIN_GUARDED, 11, &fake_keeping_ops))
CALL(bits_65, created(LAB_DOMAIN_GUARDED, 65, &fake_keeping_ops))
CALL(strict_physical, created(LAB_DOMAIN_STRICT, 0, &fake_physical_ops))
CALL(backend_vtd, created_by_name("vtd"))
CALL(map_null_domain, lab_domain_map_pool(NULL, pool, LAB_DMA_BOTH))
CALL(map_null_pool, lab_domain_map_pool(domain, NULL, LAB_DMA_BOTH))
CALL(map_no_access, lab_domain_map_pool(domain, pool, 0))
CALL(map_access_4, lab_domain_map_pool(domain, pool, 4))
CALL(map_access_7, lab_domain_map_pool(domain, pool, 7))
CALL(unmap_null_domain, lab_domain_unmap_pool(NULL, pool))
CALL(unmap_null_pool, lab_domain_unmap_pool(domain, NULL))
CALL(unmap_unmapped, lab_domain_unmap_pool(domain, pool))
CALL(run_null_domain, lab_run_alloc(NULL, 1, 0, LAB_DMA_BOTH, &run))
CALL(run_null_run, lab_run_alloc(domain, 1, 0, LAB_DMA_BOTH, NULL))
CALL(run_0_frames, lab_run_alloc(domain, 0, 0, LAB_DMA_BOTH, &run))
CALL(run_513_frames, lab_run_alloc(domain, 513, 0, LAB_DMA_BOTH, &run))
CALL(run_max_frames, lab_run_alloc(domain, UINT32_MAX, 0, LAB_DMA_BOTH, &run))
CALL(run_align_2048, lab_run_alloc(domain, 1, 2048, LAB_DMA_BOTH, &run))
CALL(run_align_12288, lab_run_alloc(domain, 1, 12288, LAB_DMA_BOTH, &run))
CALL(run_align_4m, lab_run_alloc(domain, 1, 4 << 20, LAB_DMA_BOTH, &run))
CALL(run_no_access, lab_run_alloc(domain, 1, 0, 0, &run))
CALL(run_access_8, lab_run_alloc(domain, 1, 0, 8, &run))
CALL(open_null_domain, lab_device_open(NULL, FAKE_DISK) ? 0 : -errno)
CALL(open_null_address, lab_device_open(domain, NULL) ? 0 : -errno)
CALL(open_twice, lab_device_open(domain, FAKE_NIC) ? 0 : -errno)
CALL(bar_6, lab_device_bar(dev, 6, NULL) ? 0 : -errno)
CALL(bar_5, lab_device_bar(dev, 5, NULL) ? 0 : -errno)
CALL(irq_0, lab_device_irq_enable(dev, 0))
CALL(irq_max, lab_device_irq_enable(dev, UINT32_MAX))
CALL(irq_fd, lab_device_irq_fd(dev, 2))
CALL(destroy_under_device, lab_domain_destroy(domain))

static const struct wrong_call wrong_calls[] = {
	{mode_3, EINVAL, {"guarded, premapped or strict", "not 3"}},
	{bits_11, EINVAL, {"address_bits", "12 to 64", "not 11"}},
	{bits_65, EINVAL, {"address_bits", "12 to 64", "not 65"}},
	{strict_physical, EINVAL, {"strict", "needs an IOMMU", "\"physical\""}},
	{backend_vtd, EINVAL, {"config.backend", "\"vtd\"", "iommufd, type1 and noiommu"}},
	{created_by_environment, EINVAL, {"LABYRINTH_IOMMU", "\"amd\"", "iommufd"}},
	{map_null_domain, EINVAL, {"a domain and a pool", "NULL"}},
	{map_null_pool, EINVAL, {"a domain and a pool", "NULL"}},
	{map_no_access, EINVAL, {"LAB_DMA_READ, LAB_DMA_WRITE or both", "0x0"}},
	{map_access_4, EINVAL, {"LAB_DMA_READ, LAB_DMA_WRITE or both", "0x4"}},
	{map_access_7, EINVAL, {"LAB_DMA_READ, LAB_DMA_WRITE or both", "0x7"}},
	{unmap_null_domain, EINVAL, {"a domain and a pool", "NULL"}},
	{unmap_null_pool, EINVAL, {"a domain and a pool", "NULL"}},
	{unmap_unmapped, ENOENT, {"'rx'", "not mapped", "'net'"}},
	{run_null_domain, EINVAL, {"lab_run_alloc()", "a domain"}},
	{run_null_run, EINVAL, {"lab_run_alloc()", "a place for the run"}},
	{run_0_frames, EINVAL, {"1 to 512 frames", "not 0"}},
	{run_513_frames, EINVAL, {"1 to 512 frames", "not 513"}},
	{run_max_frames, EINVAL, {"1 to 512 frames", "not 4294967295"}},
	{run_align_2048, EINVAL, {"power of two", "4096 to 2097152", "not 2048"}},
	{run_align_12288, EINVAL, {"power of two", "not 12288"}},
	{run_align_4m, EINVAL, {"power of two", "not 4194304"}},
	{run_no_access, EINVAL, {"a run's access", "0x0"}},
	{run_access_8, EINVAL, {"a run's access", "0x8"}},
	{open_null_domain, EINVAL, {"lab_device_open()", "a domain", "NULL"}},
	{open_null_address, ENODEV, {"NULL"}},
	{open_twice, EBUSY, {FAKE_NIC, "open in this process already", "'net'"}},
	{bar_6, EINVAL, {FAKE_NIC, "0 to 5", "not 6"}},
	{bar_5, ENOENT, {FAKE_NIC, "no memory BAR 5"}},
	{irq_0, EINVAL, {FAKE_NIC, "0 interrupts", "16 of MSI-X"}},
	{irq_max, EINVAL, {FAKE_NIC, "4294967295 interrupts"}},
	{irq_fd, ENOENT, {FAKE_NIC, "interrupt 2 is not enabled"}},
	{destroy_under_device, EBUSY, {"'net'", FAKE_NIC, "close them first"}},
};

Test(dma_sentences, wrong_arguments)
{
	struct ground ground = level_ground();

	domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "net");
	dev = opened(domain, FAKE_NIC);
	pool = named_pool("rx", 64, 0);
	for (unsigned i = 0; i < sizeof(wrong_calls) / sizeof(wrong_calls[0]); i++) {
		const struct wrong_call *w = &wrong_calls[i];
		long long got;

		errno = 0;
		got = w->call();
		cr_assert_eq(got, -w->error, "call %u: %lld: %s", i, got, lab_error_text());
		cr_assert_eq(errno, w->error, "call %u: errno %d", i, errno);
		for (unsigned word = 0; word < WORDS && w->words[word]; word++)
			text_has(w->words[word], NULL);
		says_the_truth(domain);
	}
	cr_assert_eq(fake_entries(domain), 0);
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	as_before(&ground);
}

/* The caller's own memory, behind a long name. */
Test(dma_sentences, names_are_cut_and_missing_ones_given)
{
	static const char thirty_one[] = "a domain's name that is as long";
	struct lab_domain_config config = {.name = "a domain's name that is as long as a story"};
	struct ground ground = level_ground();

	domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
	cr_assert_str_eq(lab_domain_name(domain), thirty_one);
	OK(lab_domain_destroy(domain));
	config.name = NULL;
	domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
	cr_assert_str_eq(lab_domain_name(domain), "domain");
	OK(lab_domain_destroy(domain));
	as_before(&ground);
}

/* ---- PCI addresses, in this machine's sysfs ---- */

Test(dma_sentences, what_is_no_pci_address)
{
	static const char *const wrong[] = {"",
					    " ",
					    "eth0",
					    "0000:00:05",
					    "0000:00:05.",
					    "0000:00:05.0 ",
					    " 0000:00:05.0",
					    "0000:00:05.0x0",
					    "+0000:00:05.0",
					    "0000:00:-5.0",
					    "0000:00:05.0x",
					    "0000:00:05.0.0",
					    "00:05",
					    "05.0",
					    "0000:00:zz.0",
					    "0000-00-05.0",
					    "/sys/bus/pci/devices/0000:00:05.0",
					    "../../0000:00:05.0"};
	struct lab_pci pci;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		REFUSED(EINVAL, lab_pci_read(wrong[i], &pci), wrong[i], "not a PCI address",
			"0000:00:05.0", "lspci -D");
	REFUSED(EINVAL, lab_pci_read(NULL, &pci), "0000:00:05.0", "NULL");
}

Test(dma_sentences, what_no_function_can_have)
{
	static const char *const wrong[] = {"0000:100:00.0", "0000:00:20.0", "0000:00:00.8",
					    "00:1f.9"};
	struct lab_pci pci;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		REFUSED(EINVAL, lab_pci_read(wrong[i], &pci), wrong[i]);
}

/* Right, in either form, but not there. */
Test(dma_sentences, where_there_is_no_function)
{
	static const char *const form[][2] = {{"fa4e:00:01.0", "fa4e:00:01.0"},
					      {"FA4E:0:1.0", "fa4e:00:01.0"},
					      {"10000:e1:00.0", "10000:e1:00.0"},
					      {"fe:1f.7", "0000:fe:1f.7"}};
	struct lab_pci pci;

	for (unsigned i = 0; i < 4; i++) {
		REFUSED(ENODEV, lab_pci_read(form[i][0], &pci), form[i][1], "no PCI function",
			"lspci -D");
		cr_assert_not(lab_pci_present(&pci));
	}
}

/* Each function that this machine has, by both of its names. */
Test(dma_sentences, functions_of_this_machine)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir))) {
		struct lab_pci pci, same;

		if (entry->d_name[0] == '.')
			continue;
		OK(lab_pci_read(entry->d_name, &pci));
		cr_assert_str_eq(pci.address, entry->d_name);
		cr_assert(lab_pci_present(&pci));
		cr_assert_neq(pci.vendor, 0xffff);
		cr_assert_neq(pci.vendor, 0);
		cr_assert_neq(pci.class_code, 0);
		cr_assert_geq(pci.group, -1);
		if (!strncmp(entry->d_name, "0000:", 5)) {
			OK(lab_pci_read(entry->d_name + 5, &same));
			cr_assert_str_eq(same.address, entry->d_name);
			cr_assert_eq(same.vendor, pci.vendor);
			cr_assert_eq(same.device, pci.device);
		}
		/* A host in use gives nothing to VFIO; one that does is none of our business. */
		if (!strstr(pci.driver, "vfio"))
			REFUSED(ENODEV, lab_pci_ready(&pci, 0), pci.address, "devtools/bind.sh");
		if (pci.group < 0)
			REFUSED(ENODEV, lab_pci_ready(&pci, 1), pci.address, "behind no IOMMU",
				"noiommu");
		n++;
	}
	if (dir)
		closedir(dir);
	if (!n)
		cr_skip_test("this machine has no PCI functions");
}
