/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * ioctl() of this program and of the shared libraries that it loads: the dynamic linker finds this
 * one before libc's.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ioctls.h"

/* linux/iommufd.h (Linux 6.2), which Debian 12 does not carry */
#define IOAS_COPY  _IO(VFIO_TYPE, 0x83)
#define IOAS_MAP   _IO(VFIO_TYPE, 0x85)
#define IOAS_UNMAP _IO(VFIO_TYPE, 0x86)

struct ioctls ioctls;

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	/* VFIO and iommufd share one letter. */
	if (_IOC_TYPE(request) == VFIO_TYPE) {
		ioctls.calls++;
		ioctls.maps += request == VFIO_IOMMU_MAP_DMA || request == IOAS_MAP ||
			       request == IOAS_COPY;
		ioctls.unmaps += request == VFIO_IOMMU_UNMAP_DMA || request == IOAS_UNMAP;
		if (ioctls.calls == ioctls.fail_at) {
			ioctls.failed = request;
			errno = ioctls.fail_errno;
			return -1;
		}
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}
