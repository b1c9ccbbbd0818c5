/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A device's interrupts, as eventfds: for those who do not poll.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "error.h"
#include "space.h"

static void close_fds(struct lab_device *dev)
{
	for (unsigned i = 0; i < dev->irqs; i++) {
		if (dev->irq_fd[i] >= 0)
			close(dev->irq_fd[i]);
	}
	free(dev->irq_fd);
	dev->irq_fd = NULL;
	dev->irqs = 0;
}

static int make_fds(struct lab_device *dev, unsigned n)
{
	dev->irq_fd = calloc(n, sizeof(*dev->irq_fd));
	if (!dev->irq_fd)
		return -ENOMEM;
	for (; dev->irqs < n; dev->irqs++) {
		dev->irq_fd[dev->irqs] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (dev->irq_fd[dev->irqs] < 0)
			return -errno;
	}
	return 0;
}

/* The best kind that has enough of them; LAB_IRQ_KINDS if none has. */
static enum lab_irq_kind pick(const struct lab_device *dev, unsigned n)
{
	for (int kind = LAB_IRQ_MSIX; kind >= LAB_IRQ_INTX; kind--) {
		if (dev->irq_count[kind] >= n)
			return (enum lab_irq_kind)kind;
	}
	return LAB_IRQ_KINDS;
}

int lab_device_irq_enable(struct lab_device *dev, unsigned n)
{
	enum lab_irq_kind kind = pick(dev, n);
	int err = lab_space_usable(dev->domain);

	if (err)
		return err;
	if (!n || n > LAB_IRQS_MAX || kind == LAB_IRQ_KINDS)
		return lab_fail(
			EINVAL,
			"%s cannot give %u interrupts: it has %u of MSI-X, %u of MSI, %u of "
			"INTx",
			dev->pci.address, n, dev->irq_count[LAB_IRQ_MSIX],
			dev->irq_count[LAB_IRQ_MSI], dev->irq_count[LAB_IRQ_INTX]);
	err = lab_device_irq_disable(dev);
	if (err)
		return err;
	err = make_fds(dev, n);
	if (!err)
		err = dev->domain->ops->irqs(dev, kind, n, dev->irq_fd);
	if (err) {
		close_fds(dev);
		return lab_fail(-err, "%s gives no %u interrupts (%s)", dev->pci.address, n,
				strerror(-err));
	}
	dev->irq_kind = kind;
	return 0;
}

int lab_device_irq_disable(struct lab_device *dev)
{
	int usable = lab_space_usable(dev->domain), err = 0;

	if (!usable && dev->irqs)
		err = dev->domain->ops->irqs(dev, dev->irq_kind, 0, NULL);
	/* The kernel has its own references: closing these loses nothing. */
	close_fds(dev);
	if (usable)
		return usable;
	if (err)
		return lab_fail(-err, "%s does not switch its interrupts off (%s)",
				dev->pci.address, strerror(-err));
	return 0;
}

int lab_device_irq_fd(const struct lab_device *dev, unsigned vector)
{
	if (vector >= dev->irqs)
		return lab_fail(ENOENT, "%s: interrupt %u is not enabled; %u are", dev->pci.address,
				vector, dev->irqs);
	return dev->irq_fd[vector];
}

int lab_device_irq_unmask(struct lab_device *dev)
{
	int err = lab_space_usable(dev->domain);

	if (err)
		return err;
	if (dev->irqs && dev->irq_kind == LAB_IRQ_INTX)
		err = dev->domain->ops->irq_unmask(dev);
	return err ? lab_fail(-err, "%s: its interrupt cannot be unmasked (%s)", dev->pci.address,
			      strerror(-err))
		   : 0;
}
