/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Network devices whose packets lie in a pool's frames. Knows packets, frames and who owns them;
 * knows no driver, no protocol and no system interface.
 */
#ifndef LAB_NETDEV_H
#define LAB_NETDEV_H

#include <stdint.h>

#include <labyrinth/lab_layout.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of an Ethernet address. */
#define LAB_MAC_SIZE 6
/** Most frames that may be asked for in lab_netdev_config, each way. */
#define LAB_NETDEV_FRAMES_MAX 16384u
/** Shortest packet that can be sent: an Ethernet header. */
#define LAB_PACKET_MIN 14u

/**
 * LAB_NETDEV_TX_RETURN - in lab_netdev_config.flags: the frames of sent packets are not freed, but
 * given back by lab_netdev_tx_done(). For stacks that keep a packet until the other end has
 * acknowledged it.
 */
#define LAB_NETDEV_TX_RETURN 0x1u

/** struct lab_netdev - an open device; opaque. */
struct lab_netdev;
/** struct lab_domain - an IOMMU address space; see lab_domain.h. */
struct lab_domain;

/**
 * struct lab_packet - one Ethernet packet, in one frame.
 * @frame: the frame that holds it; what lab_free() wants.
 * @offset: bytes from the start of the frame to the Ethernet header.
 * @length: bytes of the packet from the Ethernet header on, without the checksum of the wire.
 *
 * offset + length <= LAB_FRAME_SIZE. The rest of the frame belongs to the frame's owner as well.
 */
struct lab_packet {
	void *frame;
	uint32_t offset;
	uint32_t length;
};

/**
 * struct lab_netdev_config - what to open. All zero but @device and @pool is a good device.
 * @device: DRIVER:ARGUMENTS; "af_xdp:eth0" is queue 0 of eth0, "af_xdp:eth0:3" is queue 3;
 *	"e1000e:0000:00:03.0" is the PCI function with that address, bound to vfio-pci.
 * @pool: where frames for received packets come from, and where sent ones go. All frames that are
 *	sent must be of this pool. It must outlive the device.
 * @domain: for drivers of PCI devices, the address space that the device is put into. The pool is
 *	mapped there for reading and writing if it is not yet, and stays so after the close (or
 *after a failed open that got that far); what is mapped there already must allow both. It must
 *	outlive the device. NULL: a guarded domain with just @pool in it, which is made by the open
 *	and destroyed by the close. af_xdp, where the kernel moves the packets, takes NULL only.
 * @rx_frames: most frames lent to the device for receiving, up to LAB_NETDEV_FRAMES_MAX; 0 gives
 *	2048 or half of the pool, whichever is less. A driver may take fewer (e1000e: 4095 at most).
 *	For a pool that breathes (lab_keeper.h) af_xdp copies each packet, and lends frames of a
 *	fixed pool of its own, which has rx_frames + tx_frames and some spares; 0 gives 2048 then.
 * @tx_frames: most frames lent to the device for sending, up to LAB_NETDEV_FRAMES_MAX; 0 gives
 *	2048. A driver may take fewer (e1000e: 4095 at most).
 * @flags: 0 or LAB_NETDEV_TX_RETURN.
 */
struct lab_netdev_config {
	const char *device;
	struct lab_pool *pool;
	struct lab_domain *domain;
	uint32_t rx_frames;
	uint32_t tx_frames;
	uint32_t flags;
};

/**
 * struct lab_netdev_stats - what a device did since it was opened.
 * @rx_packets: handed to the caller by lab_netdev_rx_burst().
 * @rx_bytes: of these, by lab_packet.length.
 * @tx_packets: accepted by lab_netdev_tx_burst().
 * @tx_bytes: of these.
 * @tx_completed: of the accepted packets, those that the device is done with.
 * @rx_no_frame: refills that got fewer frames from the pool than the device had room for. Packets
 *	are lost only when it runs dry: @missed_no_frame counts these. Where packets are copied
 *	(af_xdp and a pool that breathes), receives that got fewer frames than there were packets.
 * @rx_nobuf: of packets that are copied: those that had arrived and were dropped, because the pool
 *	had no frame for them outside its reserve.
 * @tx_full: packets not accepted because tx_frames frames were with the device already, or not
 *	fetched yet.
 * @tx_refused: packets not accepted because there is something wrong with them.
 * @refused: frames that came from the device but that the pool did not know as lent to it. Not 0
 *	means that somebody writes where he must not.
 * @tx_kicks: times the device was told to send (af_xdp: system calls; e1000e: register writes).
 * @tx_kick_errors: of these, failed for another reason than a full queue (interface down or gone).
 * @rx_lent: frames with the device for receiving, now; where packets are copied, of its own pool.
 * @tx_lent: the same for sending.
 * @tx_unfetched: frames that lab_netdev_tx_done() would give back, now; 0 without
 *	LAB_NETDEV_TX_RETURN.
 * @missed_dropped: packets dropped on their way in, too long for a frame, broken on the wire, or
 *	for other reasons.
 * @missed_no_frame: packets dropped on their way in because no frame was lent.
 * @missed_ring_full: packets dropped because the caller did not fetch those before (af_xdp; e1000e
 *	counts them as @missed_no_frame, as it has no frames then).
 * @invalid_rx: descriptors that the kernel refused, receiving (af_xdp).
 * @invalid_tx: descriptors that the kernel refused, sending (af_xdp).
 */
struct lab_netdev_stats {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_completed;
	uint64_t rx_no_frame;
	uint64_t rx_nobuf;
	uint64_t tx_full;
	uint64_t tx_refused;
	uint64_t refused;
	uint64_t tx_kicks;
	uint64_t tx_kick_errors;
	uint64_t rx_lent;
	uint64_t tx_lent;
	uint64_t tx_unfetched;
	uint64_t missed_dropped;
	uint64_t missed_no_frame;
	uint64_t missed_ring_full;
	uint64_t invalid_rx;
	uint64_t invalid_tx;
};

/**
 * lab_netdev_open() - open a device and lend it frames to receive into.
 * @config: what to open; read during the call only (the string is copied).
 *
 * Return: the device, owned by the caller until lab_netdev_close(); or NULL with errno, a sentence
 * in lab_error_text(), and everything as it was before: EINVAL (a bad field, or no such queue),
 * ENODEV (no such interface or function, or one that this driver does not drive), ENOTSUP (no such
 * driver in this build, or none in this kernel), EPERM (a capability is missing), ENOBUFS
 * (RLIMIT_MEMLOCK is too low), EBUSY (somebody else has the queue or the device), EIO (the device
 * does not answer as it should), ENOMEM, ENOSPC (the pool lends to LAB_MAX_DEVICES devices
 * already; or, for a pool that breathes, this process has LAB_MAX_POOLS pools); from drivers of PCI
 * devices also those of lab_domain_create(), lab_device_open() and lab_domain_map_pool().
 *
 * An empty pool is no error: the device receives as soon as there are frames. Neither is a link
 * that is down: see lab_netdev_link().
 *
 * Thread-safe; may sleep (af_xdp: up to 200 ms while the kernel still closes an earlier socket;
 * e1000e: up to 3 s while the link comes up).
 */
struct lab_netdev *lab_netdev_open(const struct lab_netdev_config *config);

/**
 * lab_netdev_rx_burst() - fetch packets that have arrived.
 * @dev: the device.
 * @packets: receives up to @n packets.
 * @n: most wanted. 0 is allowed and does the housekeeping alone.
 *
 * The caller owns the frames of the packets returned: each is to be freed (lab_free()) or sent
 * (lab_netdev_tx_burst()). Each call also lends fresh frames to the device, frees those of packets
 * that were sent (or puts them by for lab_netdev_tx_done()), and goes on sending what is still
 * queued: a program that has nothing to send calls this and nothing else.
 *
 * Return: how many packets arrived, 0..@n. An empty pool is no error: see
 * lab_netdev_stats.rx_no_frame. 0 also once the device is gone or is to be given up:
 * lab_netdev_wait() tells.
 *
 * One thread at a time for each device, this and the other calls on it. Never sleeps. No system
 * call, except (af_xdp) one that does not wait, while packets are queued for sending. (In a strict
 * domain lending and taking back make system calls and may sleep, here and in
 * lab_netdev_tx_burst().)
 */
unsigned lab_netdev_rx_burst(struct lab_netdev *dev, struct lab_packet *packets, unsigned n);

/**
 * lab_netdev_tx_burst() - queue packets for sending.
 * @dev: the device.
 * @packets: @n packets in frames that the caller holds; not changed.
 * @n: how many.
 *
 * The device owns the frames of accepted packets at once and frees them to the pool when they are
 * sent, or copied; with LAB_NETDEV_TX_RETURN lab_netdev_tx_done() gives them back instead. All
 * others are the caller's still. Accepted is not delivered: as on any network,
 * what is behind the device may drop a packet.
 *
 * Return: how many of the first packets were accepted. When that is less than @n, errno says why:
 * EAGAIN (no room: call again, after lab_netdev_rx_burst() or some time; with LAB_NETDEV_TX_RETURN
 * after lab_netdev_tx_done()), ENODEV (e1000e: the
 * device is gone or is to be given up: close it), or EINVAL: packets[returned] was refused, and
 * lab_error_text() says what is wrong with it (not within its frame, shorter than LAB_PACKET_MIN, a
 * frame of another pool or one that the caller does not hold).
 *
 * One thread at a time for each device. Never sleeps; af_xdp makes one system call that does not
 * wait for each 32 packets, which copies them.
 */
unsigned lab_netdev_tx_burst(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n);

/**
 * lab_netdev_tx_done() - fetch the frames of packets that the device is done with.
 * @dev: a device opened with LAB_NETDEV_TX_RETURN.
 * @frames: receives up to @n frames.
 * @n: most wanted.
 *
 * The caller owns them again: to send once more, or to free. They come in the order in which their
 * packets were sent; the packet is as it was, but (e1000e) of one shorter than 17 bytes, which is
 * padded in its frame: zeroes may stand behind it, and it may have moved from the frame's end to
 * its start.
 *
 * Until it is fetched a frame is lent to the device: freeing or sending it is refused, and it
 * counts against tx_frames, so that whoever sends and does not fetch gets EAGAIN. Where packets are
 * copied (af_xdp and a pool that breathes) it can be fetched as soon as its packet was accepted.
 * Also goes on sending what is queued, as lab_netdev_rx_burst(). Works on after the device is gone.
 *
 * Return: how many there are, 0..@n. 0 and errno EINVAL, with a sentence, if the device was opened
 * without LAB_NETDEV_TX_RETURN.
 *
 * One thread at a time for each device, the rest as lab_netdev_rx_burst().
 */
unsigned lab_netdev_tx_done(struct lab_netdev *dev, void **frames, unsigned n);

/**
 * lab_netdev_wait() - sleep until a packet may have arrived.
 * @dev: the device.
 * @timeout_ms: longest wait in milliseconds; 0 only looks, negative waits without end.
 *
 * For programs that would rather sleep than poll. May return early: call it in a loop.
 *
 * Return: 1 when lab_netdev_rx_burst() is worth calling; 0 when time ran out or a signal came;
 * -ENETDOWN (af_xdp) when the interface is gone for good, or -ENODEV (e1000e) when the device has
 * been pulled out or the kernel asks for it: close the device. lab_error_text() says which.
 *
 * One thread at a time for each device; sleeps, that is its purpose.
 */
int lab_netdev_wait(struct lab_netdev *dev, int timeout_ms);

/**
 * lab_netdev_stats() - statistics since lab_netdev_open().
 * @dev: the device.
 * @stats: receives them.
 *
 * One thread at a time for each device; may make a system call, does not sleep.
 */
void lab_netdev_stats(struct lab_netdev *dev, struct lab_netdev_stats *stats);

/**
 * lab_netdev_mac() - the device's Ethernet address, as it was when the device was opened.
 * @dev: the device.
 * @mac: receives LAB_MAC_SIZE bytes.
 *
 * Thread-safe; never sleeps.
 */
void lab_netdev_mac(const struct lab_netdev *dev, uint8_t mac[LAB_MAC_SIZE]);

/** lab_netdev_name() - the device's full name ("af_xdp:eth0:0", "e1000e:0000:00:03.0"); valid as
 * long as the device. */
const char *lab_netdev_name(const struct lab_netdev *dev);

/**
 * lab_netdev_link() - whether the device can reach anybody.
 * @dev: the device.
 * @mbits: receives the speed in Mbit/s, 0 where the link is down or the speed not known; may be
 *	NULL.
 *
 * Return: 1 up, 0 down; -ENODEV or -ENETDOWN as lab_netdev_wait().
 *
 * One thread at a time for each device; may make a system call, does not sleep.
 */
int lab_netdev_link(struct lab_netdev *dev, uint32_t *mbits);

/**
 * lab_netdev_promiscuous() - receive every packet that passes by, or only what is for us.
 * @dev: the device.
 * @on: not 0: every packet. 0, as after lab_netdev_open(): packets to the device's own address, to
 *	those of lab_netdev_mac_filter(), and to all (broadcast).
 *
 * Return: 0; -ENODEV as lab_netdev_wait(); -ENOTSUP: the driver cannot, and lab_error_text() says
 * who can (af_xdp: what an interface receives is the kernel's to set, by ip link).
 *
 * One thread at a time for each device; does not sleep.
 */
int lab_netdev_promiscuous(struct lab_netdev *dev, int on);

/**
 * lab_netdev_mac_filter() - receive packets to these addresses as well.
 * @dev: the device.
 * @macs: @n addresses, unicast or multicast; read during the call only.
 * @n: how many; 0 receives for the device's own address and broadcast only.
 *
 * Replaces what an earlier call set.
 *
 * Return: 0; -ENODEV and -ENOTSUP as lab_netdev_promiscuous(); -ENOSPC and nothing changed: the
 * device can compare with fewer (e1000e: 14).
 *
 * One thread at a time for each device; does not sleep.
 */
int lab_netdev_mac_filter(struct lab_netdev *dev, const uint8_t (*macs)[LAB_MAC_SIZE], unsigned n);

/**
 * lab_netdev_close() - stop the device, take back what was lent to it, and free these frames.
 * @dev: a device that no thread is using any more; NULL is allowed and does nothing.
 *
 * Packets that were accepted get a moment to leave (up to 200 ms, and none if all are out). Frames
 * that the caller still holds stay held: those of received packets that it has neither freed nor
 * sent, and those that lab_netdev_tx_done() has given back to it. All others are freed, with
 * LAB_NETDEV_TX_RETURN too: what was accepted and not fetched, sent or not, is not the caller's any
 * more. One who wants these fetches them before, until tx_lent and tx_unfetched are 0.
 *
 * Return: 0; -ENOSPC when the calling thread can have no lcore of the pool, and then the device is
 * still open; or -EBUSY, the device being closed, when frames are still lent in its name:
 * lab_error_text() says how many. (af_xdp) something else wrote into the frame table. (e1000e) the
 * device could not be brought to rest: they are in quarantine, see lab_device_close(). Or, the
 * device being closed and all frames back, what lab_domain_destroy() or lab_run_free() said.
 *
 * May sleep.
 */
int lab_netdev_close(struct lab_netdev *dev);

#ifdef __cplusplus
}
#endif
#endif
