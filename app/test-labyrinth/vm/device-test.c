/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A device apart from its transfers: what it is, configuration space, BARs, bus mastering,
 * interrupts, reset, and what becomes of frames that are lent when it is closed. And calls in the
 * wrong order, each refused with a sentence.
 *
 *	device-test EDU EDU-THAT-CAN-BE-RESET
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../net/tap.h"
#include "guest.h"

#define BYTES_BAR0   (1u << 20)
#define REG_LIVENESS 0x04
#define REG_RAISE    0x60
#define CONFIG_LINE  0x3c /* Interrupt Line: the system's scratch byte (PCI 3.0, 6.2.4) */
#define IRQ_MS       2000

struct rig {
	struct lab_pool *pool;
	struct lab_domain *domain;
	struct lab_edu *edu;
	struct lab_device *dev;
};

static struct rig set_up(const char *address, enum lab_domain_mode mode)
{
	struct rig r = {.pool = guest_pool("rig", 512), .domain = guest_domain("rig", mode)};

	r.edu = guest_must(lab_edu_open(r.domain, address), address);
	r.dev = lab_edu_device(r.edu);
	guest_must_be(lab_domain_map_pool(r.domain, r.pool, LAB_DMA_BOTH), 0, "map");
	return r;
}

static void tear_down(struct rig *r)
{
	guest_must_be(lab_edu_close(r->edu), 0, "close");
	guest_must_be(lab_domain_destroy(r->domain), 0, "destroy the domain");
	guest_must_be(lab_pool_destroy(r->pool), 0, "destroy the pool");
}

static void identity(const char *address, int can_reset)
{
	struct rig r = set_up(address, LAB_DOMAIN_GUARDED);
	struct lab_device_info info;
	uint32_t id = 0, word = 0;
	uint8_t line = 0x5a, back = 0;
	size_t bytes = 0;
	char *bar = guest_must(lab_device_bar(r.dev, 0, &bytes), "BAR 0");

	lab_device_info(r.dev, &info);
	tap_note("%s: class %06x, %u interrupts, node %d, can_reset %d", info.address,
		 info.class_code, info.irqs, info.node, info.can_reset);
	tap_ok(!strcmp(info.address, address) && !strcmp(lab_device_name(r.dev), address) &&
		       info.vendor == 0x1234 && info.device == 0x11e8 && info.irqs == 1 &&
		       lab_device_domain(r.dev) == r.domain,
	       "a device says what it is");
	tap_ok(info.can_reset == can_reset, can_reset ? "it can be reset" : "it cannot be reset");
	tap_ok(lab_device_status(r.dev) == LAB_DEVICE_PRESENT, "it is there");
	tap_ok(poll(&(struct pollfd){.fd = lab_device_fd(r.dev), .events = POLLIN}, 1, 0) == 0,
	       "its descriptor sleeps while it is");

	tap_ok(lab_device_config_read(r.dev, 0, &id, 4) == 0 && id == 0x11e81234,
	       "configuration space is read");
	tap_ok(lab_device_config_write(r.dev, CONFIG_LINE, &line, 1) == 0 &&
		       lab_device_config_read(r.dev, CONFIG_LINE, &back, 1) == 0 && back == line,
	       "configuration space is written");
	tap_ok(guest_refused(lab_device_config_read(r.dev, 1, &word, 4), EINVAL, address) &&
		       guest_refused(lab_device_config_read(r.dev, 0, &word, 3), EINVAL, address) &&
		       guest_refused(lab_device_config_read(r.dev, 4096, &word, 4), EINVAL,
				     address),
	       "what is not in it is refused");

	tap_ok(bytes == BYTES_BAR0 && lab_device_bar(r.dev, 0, NULL) == bar,
	       "BAR 0 is mapped, once");
	lab_mmio_write32(bar, REG_LIVENESS, 0x12345678);
	tap_ok(lab_mmio_read32(bar, REG_LIVENESS) == ~0x12345678u, "its registers answer");
	tap_ok(!lab_device_bar(r.dev, 1, NULL) && guest_refused(-errno, ENOENT, "BAR 1") &&
		       !lab_device_bar(r.dev, 6, NULL) && guest_refused(-errno, EINVAL, "BAR"),
	       "BARs that it has not are refused");
	tear_down(&r);
}

static uint16_t command(struct lab_device *dev)
{
	uint16_t value = 0;

	guest_must_be(lab_device_config_read(dev, 4, &value, 2), 0, "the command register");
	return value;
}

static void bus_master(const char *address)
{
	struct rig r = set_up(address, LAB_DOMAIN_GUARDED);
	void *frame = guest_must(lab_alloc(r.pool, LAB_GFP_ZERO | LAB_GFP_EXCLUSIVE), "a frame");

	guest_load(r.edu, r.pool, 1);
	tap_ok(lab_device_bus_master(r.dev, 0) == 0 && !(command(r.dev) & 4),
	       "bus mastering is off");
	guest_put(r.edu, r.pool, frame);
	tap_ok(guest_is_zero(frame, LAB_FRAME_SIZE), "the device writes nothing then");
	tap_ok(lab_device_bus_master(r.dev, 1) == 0 && (command(r.dev) & 4), "and on again");
	guest_put(r.edu, r.pool, frame);
	tap_ok(guest_is_filled(frame, LAB_EDU_MAX, 1), "then it writes");
	lab_free(r.pool, frame);
	tear_down(&r);
}

static void resets(const char *address, int can_reset)
{
	struct rig r = set_up(address, LAB_DOMAIN_GUARDED);

	if (can_reset) {
		tap_ok(lab_device_reset(r.dev) == 0, "reset is confirmed");
		guest_must_be(lab_device_bus_master(r.dev, 1), 0, "bus mastering");
		guest_load(r.edu, r.pool, 2);
		tap_ok(lab_edu_poll(r.edu) == 1, "it works on after a reset");
	} else {
		tap_ok(guest_refused(lab_device_reset(r.dev), ENOTSUP, address),
		       "reset of one that cannot is refused");
	}
	tear_down(&r);
}

/* 1 if the descriptor becomes readable; takes what is there. */
static bool interrupted(int fd, int ms)
{
	uint64_t count;

	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, ms) == 1 &&
	       read(fd, &count, sizeof(count)) == sizeof(count);
}

static void interrupts(const char *address)
{
	struct rig r = set_up(address, LAB_DOMAIN_GUARDED);
	void *frame = guest_must(lab_alloc(r.pool, LAB_GFP_EXCLUSIVE), "a frame");
	char *bar = guest_must(lab_device_bar(r.dev, 0, NULL), "BAR 0");
	unsigned fds = guest_fds();
	uint64_t iova;
	int fd;

	tap_ok(lab_device_irq_fd(r.dev, 0) == -ENOENT, "no interrupt before it is enabled");
	tap_ok(guest_refused(lab_device_irq_enable(r.dev, 1000), EINVAL, address),
	       "more interrupts than there are, are refused");
	guest_must_be(lab_device_irq_enable(r.dev, 1), 0, "interrupts");
	fd = lab_device_irq_fd(r.dev, 0);
	tap_ok(fd >= 0 && lab_device_irq_fd(r.dev, 1) == -ENOENT, "one is enabled");
	tap_ok(!interrupted(fd, 0), "none is there by itself");
	for (uint32_t i = 1; i <= 3; i++) {
		bool came;

		lab_mmio_write32(bar, REG_RAISE, i);
		came = interrupted(fd, IRQ_MS);
		tap_ok(came && lab_edu_irq_ack(r.edu) == i, "an interrupt arrives");
	}
	guest_must_be(lab_device_lend(r.dev, r.pool, &frame, 1, &iova), 1, "lend");
	guest_must_be(lab_edu_start(r.edu, LAB_EDU_TO_MEMORY | LAB_EDU_IRQ, iova, 64), 0, "start");
	tap_ok(interrupted(fd, IRQ_MS) && lab_edu_poll(r.edu) == 1 &&
		       lab_edu_irq_ack(r.edu) == 0x100,
	       "a transfer's end arrives as an interrupt");
	guest_must_be(lab_device_take_back(r.dev, r.pool, &frame, 1), 1, "take back");
	tap_ok(lab_device_irq_enable(r.dev, 1) == 0 && lab_device_irq_fd(r.dev, 0) >= 0 &&
		       lab_device_irq_disable(r.dev) == 0 &&
		       lab_device_irq_fd(r.dev, 0) == -ENOENT && guest_fds() == fds,
	       "enabled again and disabled, no descriptor stays");
	/* Left enabled: closing the device disables them. */
	guest_must_be(lab_device_irq_enable(r.dev, 1), 0, "interrupts");
	lab_free(r.pool, frame);
	tear_down(&r);
}

/* Frames that are lent when the device is closed; @frames of them are the caller's. */
static void closed_with_loans(const char *address, int can_reset, enum lab_domain_mode mode)
{
	struct rig r = set_up(address, mode);
	struct lab_pool_stats s;
	struct lab_edu *again;
	void *frames[3];
	int64_t rc;
	bool refused = true;

	tap_note("%s, %s", address, guest_mode_name(mode));
	guest_must_be(lab_alloc_bulk(r.pool, frames, 3, LAB_GFP_EXCLUSIVE), 0, "frames");
	guest_must_be(lab_device_lend(r.dev, r.pool, frames, 3, NULL), 3, "lend");
	rc = lab_edu_close(r.edu);
	if (can_reset) {
		tap_ok(rc == 3, "closed and reset: its frames come back");
		lab_pool_stats(r.pool, &s);
		tap_ok(s.quarantined == 0 && s.lent == 0 && s.held == 3, "the caller holds them");
		tap_ok(lab_free_bulk(r.pool, frames, 3) == 0 && guest_all_home(r.pool),
		       "and frees them");
		guest_must_be(lab_domain_destroy(r.domain), 0, "destroy the domain");
		guest_must_be(lab_pool_destroy(r.pool), 0, "destroy the pool");
		return;
	}
	tap_ok(guest_refused(rc, EBUSY, "3 frames"), "closed, not reset: its frames stay");
	lab_pool_stats(r.pool, &s);
	tap_ok(s.quarantined == 3 && s.lent == 3 && s.held == 0, "in quarantine, and counted");
	for (int i = 0; i < 3; i++)
		refused &= lab_free(r.pool, frames[i]) == -EBUSY;
	tap_ok(refused, "freeing them is refused");
	tap_ok(guest_refused(lab_pool_destroy(r.pool), EBUSY, "rig"), "so is destroying the pool");
	again = guest_must(lab_edu_open(r.domain, address), address);
	lab_pool_stats(r.pool, &s);
	tap_ok(s.quarantined == 3, "opened again, still not reset: they stay");
	guest_load(again, r.pool, 3);
	tap_ok(lab_edu_poll(again) == 1, "the device works with others");
	guest_must_be(lab_edu_close(again), 0, "close");
	tap_ok(lab_domain_destroy(r.domain) == 0, "the domain can be destroyed");
	tap_ok(guest_refused(lab_pool_destroy(r.pool), EBUSY, "rig"), "and the pool cannot, ever");
}

static void wrong_order(const char *address, enum lab_domain_mode mode)
{
	struct lab_domain_config config = {.name = "wrong"};
	struct lab_domain *empty = guest_domain("empty", mode);
	struct rig r = set_up(address, mode);
	struct lab_pool *other = guest_pool("other", 512);
	void *frame = guest_must(lab_alloc(r.pool, LAB_GFP_EXCLUSIVE), "a frame");
	void *foreign = guest_must(lab_alloc(other, LAB_GFP_EXCLUSIVE), "a frame");
	void *pair[2] = {frame, frame};
	struct lab_domain_stats before, after;
	struct lab_run run;

	tap_note("%s", guest_mode_name(mode));
	config.backend = "vesa";
	tap_ok(!lab_domain_create(&config) && guest_refused(-errno, EINVAL, "vesa"),
	       "a backend that is none");
	config.backend = NULL;
	config.address_bits = 11;
	tap_ok(!lab_domain_create(&config) && guest_refused(-errno, EINVAL, "11"),
	       "addresses of 11 bits");
	tap_ok(guest_refused(lab_domain_map_pool(empty, other, LAB_DMA_BOTH), ENODEV, "empty") &&
		       guest_refused(lab_run_alloc(empty, 1, 0, LAB_DMA_BOTH, &run), ENODEV,
				     "empty"),
	       "mapping before a device is open");
	lab_domain_stats(r.domain, &before);
	tap_ok(guest_refused(lab_domain_map_pool(r.domain, r.pool, LAB_DMA_BOTH), EEXIST, "rig"),
	       "mapping a pool twice");
	tap_ok(guest_refused(lab_domain_map_pool(r.domain, other, 0), EINVAL, "access") &&
		       guest_refused(lab_domain_map_pool(r.domain, other, 4), EINVAL, "access"),
	       "mapping without access");
	tap_ok(guest_refused(lab_domain_unmap_pool(r.domain, other), ENOENT, "other"),
	       "unmapping what is not mapped");
	tap_ok(guest_refused(lab_pool_destroy(r.pool), EBUSY, "rig"), "destroying a mapped pool");
	tap_ok(guest_refused(lab_domain_destroy(r.domain), EBUSY, address),
	       "destroying a domain with a device");
	tap_ok(!lab_device_open(empty, address) && guest_refused(-errno, EBUSY, address),
	       "opening a device twice");
	tap_ok(lab_device_lend(r.dev, other, &foreign, 1, NULL) == 0 && *lab_error_text(),
	       "lending a frame of a pool that is not mapped");
	tap_ok(lab_device_lend(r.dev, r.pool, &foreign, 1, NULL) == 0 && *lab_error_text(),
	       "lending another pool's frame");
	tap_ok(lab_device_lend(r.dev, r.pool, pair, 2, NULL) == 1 && *lab_error_text(),
	       "lending a frame twice in one call");
	tap_ok(lab_device_lend(r.dev, r.pool, &frame, 1, NULL) == 0 && *lab_error_text(),
	       "lending a lent frame");
	tap_ok(guest_refused(lab_free(r.pool, frame), EBUSY, address), "freeing a lent frame");
	tap_ok(guest_refused(lab_domain_unmap_pool(r.domain, r.pool), EBUSY, address) &&
		       strstr(lab_error_text(), "1 frame"),
	       "unmapping a pool with a lent frame");
	tap_ok(lab_device_take_back(r.dev, r.pool, pair, 2) == 1 &&
		       lab_device_take_back(r.dev, r.pool, &frame, 1) == 0,
	       "taking back twice");
	lab_domain_stats(r.domain, &after);
	tap_ok(before.entries == after.entries && before.bytes == after.bytes,
	       "nothing more is mapped after all that");
	guest_must_be(lab_free(r.pool, frame), 0, "free");
	guest_must_be(lab_free(other, foreign), 0, "free");
	guest_load(r.edu, r.pool, 4);
	tap_ok(guest_all_home(r.pool) && guest_all_home(other), "no frame is lost");
	guest_must_be(lab_domain_destroy(empty), 0, "destroy the empty domain");
	guest_must_be(lab_pool_destroy(other), 0, "destroy the other pool");
	tear_down(&r);
}

int main(int argc, char **argv)
{
	unsigned fds;

	if (argc != 3) {
		fprintf(stderr, "usage: device-test EDU EDU-THAT-CAN-BE-RESET\n");
		return EXIT_FAILURE;
	}
	/* What the library opens once and keeps is open after this. */
	identity(argv[1], 0);
	fds = guest_fds();
	identity(argv[2], 1);
	bus_master(argv[1]);
	resets(argv[1], 0);
	resets(argv[2], 1);
	interrupts(argv[1]);
	interrupts(argv[2]);
	wrong_order(argv[1], LAB_DOMAIN_GUARDED);
	wrong_order(argv[1], LAB_DOMAIN_STRICT);
	closed_with_loans(argv[2], 1, LAB_DOMAIN_GUARDED);
	closed_with_loans(argv[2], 1, LAB_DOMAIN_STRICT);
	tap_ok(guest_fds() == fds, "no descriptor is left open");
	closed_with_loans(argv[1], 0, LAB_DOMAIN_GUARDED);
	closed_with_loans(argv[1], 0, LAB_DOMAIN_STRICT);
	return tap_done();
}
