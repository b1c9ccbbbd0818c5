/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Lets a device copy one frame to another, and compares. Read this first to see how a pool, a
 * domain and a device go together; the device is QEMU's edu, bound to vfio-pci.
 *
 *	dma-copy 0000:00:05.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/edu.h>
#include <labyrinth/labyrinth.h>

/* Frames that we hold, lent to the device while it copies, and ours again afterwards. */
static int copy(struct lab_edu *edu, struct lab_domain *domain, struct lab_pool *pool)
{
	void *from = lab_alloc(pool, LAB_GFP_EXCLUSIVE);
	void *to = lab_alloc(pool, LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO);
	int rc;

	for (size_t i = 0; i < LAB_FRAME_SIZE; i++)
		((uint8_t *)from)[i] = (uint8_t)(i * 7 + i / 256);
	printf("dma-copy: from %#" PRIx64 " to %#" PRIx64 ", as the device sees them (%s)\n",
	       lab_domain_iova(domain, pool, from), lab_domain_iova(domain, pool, to),
	       lab_domain_backend(domain));

	rc = lab_edu_copy(edu, pool, to, from);
	if (rc)
		fprintf(stderr, "dma-copy: %s\n", lab_error_text());
	else if (memcmp(to, from, LAB_FRAME_SIZE))
		rc = fprintf(stderr, "dma-copy: what arrived is not what was sent\n");
	else
		printf("dma-copy: %u bytes copied and compared\n", LAB_FRAME_SIZE);
	/* Refused if the device has not given them back. */
	if (lab_free(pool, from) || lab_free(pool, to))
		rc = fprintf(stderr, "dma-copy: %s\n", lab_error_text());
	return rc;
}

int main(int argc, char **argv)
{
	/* edu reaches 4 GiB when QEMU is told dma_mask=0xffffffff. */
	const struct lab_domain_config space = {.name = "dma-copy", .address_bits = 32};
	const struct lab_pool_config memory = {.name = "dma-copy", .frames = 512};
	struct lab_domain *domain = NULL;
	struct lab_pool *pool = NULL;
	struct lab_edu *edu = NULL;
	int rc = -1;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: dma-copy ADDRESS (for example 0000:00:05.0)\n");
		return EXIT_FAILURE;
	}
	pool = lab_pool_create(&memory);
	if (pool)
		domain = lab_domain_create(&space);
	if (domain)
		edu = lab_edu_open(domain, argv[1]);
	/* From here on the device reaches the pool, and nothing else of this process. */
	if (edu && lab_domain_map_pool(domain, pool, LAB_DMA_BOTH) == 0)
		rc = copy(edu, domain, pool);
	else
		fprintf(stderr, "dma-copy: %s\n", lab_error_text());

	/* In the reverse order; each is refused while something of it is in use. */
	if (lab_edu_close(edu) || lab_domain_destroy(domain) || lab_pool_destroy(pool))
		rc = fprintf(stderr, "dma-copy: %s\n", lab_error_text());
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
