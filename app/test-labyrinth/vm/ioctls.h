/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Between the library and the kernel: counts the program's VFIO and iommufd calls, and lets one of
 * them fail.
 */
#ifndef IOCTLS_H
#define IOCTLS_H

/**
 * struct ioctls - set it, run something, read it. One thread.
 * @calls: VFIO and iommufd calls made.
 * @maps: of these, such as map memory (VFIO_IOMMU_MAP_DMA, IOMMU_IOAS_MAP and _COPY).
 * @unmaps: such as unmap it.
 * @fail_at: the call that fails instead of being made, counted from 1; 0: none.
 * @fail_errno: with this.
 * @failed: the request that failed; 0: none has.
 */
struct ioctls {
	unsigned calls;
	unsigned maps;
	unsigned unmaps;
	unsigned fail_at;
	int fail_errno;
	unsigned long failed;
};
extern struct ioctls ioctls;

#endif
