/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * NVMe disks whose data lies in a pool's frames: a frame is NVMe's own page of 4096 bytes, and goes
 * to the disk as it is. Knows controllers, namespaces, queues and frames; knows no file system.
 *
 * After the NVM Express Base Specification, revision 1.4; section numbers are that revision's.
 */
#ifndef LAB_NVME_H
#define LAB_NVME_H

#include <stdint.h>

#include <labyrinth/lab_domain.h>
#include <labyrinth/lab_layout.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most commands that one queue can have in flight. */
#define LAB_NVME_DEPTH_MAX 4095u
/** Most I/O queues that may be asked for. */
#define LAB_NVME_QUEUES_MAX 64u
/** Most bytes of one read or write that may be asked for: 65536 blocks of 512 bytes, what a command
 * can express (section 6.9, number of logical blocks). */
#define LAB_NVME_TRANSFER_MAX (32u << 20)

/** struct lab_nvme - an open controller; opaque. */
struct lab_nvme;
/** struct lab_nvme_queue - a pair of submission and completion queue; opaque. */
struct lab_nvme_queue;

/**
 * enum lab_nvme_flags - how to open a controller.
 * @LAB_NVME_INTERRUPTS: give each queue an interrupt, so that lab_nvme_wait() can sleep.
 */
enum lab_nvme_flags {
	LAB_NVME_INTERRUPTS = 1 << 0,
};

/**
 * struct lab_nvme_config - what to open. All zero but @device and @pool is a good controller.
 * @device: PCI address, "0000:01:00.0"; bound to vfio-pci.
 * @pool: where the frames of all reads and writes come from. It must outlive the controller.
 * @domain: the address space to open it in. The pool is mapped there if it is not yet, and stays
 *	mapped after lab_nvme_close(). NULL: a guarded domain of the controller's own, with this
 *	pool alone, which ends with the controller.
 * @queues: most queues that will be made at one time, up to LAB_NVME_QUEUES_MAX; 0 gives 8. The
 *	controller may grant fewer: see lab_nvme_info.queues.
 * @max_transfer: bytes of the largest read or write, up to LAB_NVME_TRANSFER_MAX; 0 gives 2 MiB.
 *	The controller may allow less: see lab_nvme_info.max_transfer. Each command that a queue
 *	can have in flight takes 8 bytes a frame of it, and a page in each 511 frames.
 * @flags: of enum lab_nvme_flags.
 */
struct lab_nvme_config {
	const char *device;
	struct lab_pool *pool;
	struct lab_domain *domain;
	uint32_t queues;
	uint32_t max_transfer;
	uint32_t flags;
};

/**
 * struct lab_nvme_info - what a controller is (section 5.15.2.2).
 * @vendor: PCI vendor.
 * @version: of the specification, as the VS register has it: 0x00010400 is 1.4.0.
 * @serial: without trailing spaces.
 * @model: likewise.
 * @firmware: likewise.
 * @namespaces: how many are active; the first 1024 can be used.
 * @queues: most queues at one time.
 * @max_depth: most commands in flight in one queue.
 * @max_transfer: bytes of the largest read or write: the least of what was asked for, of what the
 *	controller says (MDTS), and of what a command can express.
 * @volatile_cache: 1 if written data may be lost with power until lab_nvme_flush().
 */
struct lab_nvme_info {
	uint16_t vendor;
	uint32_t version;
	char serial[21];
	char model[41];
	char firmware[9];
	uint32_t namespaces;
	uint32_t queues;
	uint32_t max_depth;
	uint32_t max_transfer;
	int volatile_cache;
};

/**
 * struct lab_nvme_namespace - what a namespace is (section 5.15.2.1).
 * @nsid: its number.
 * @blocks: its size in blocks.
 * @block_size: bytes of a block, a power of two of at least 512.
 * @metadata: bytes of metadata with each block; lab_nvme_read() and lab_nvme_write() refuse
 *	namespaces that have any.
 */
struct lab_nvme_namespace {
	uint32_t nsid;
	uint64_t blocks;
	uint32_t block_size;
	uint32_t metadata;
};

/**
 * struct lab_nvme_command - a command as the specification has it, for what has no function here.
 * @opcode: of the NVM command set (section 6).
 * @nsid: namespace, passed on unchecked.
 * @cdw10: to @cdw15: the command's own words.
 */
struct lab_nvme_command {
	uint8_t opcode;
	uint32_t nsid;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
};

/**
 * struct lab_nvme_completion - a command that has ended.
 * @cookie: what was passed when it was submitted.
 * @result: 0, or -errno: -ERANGE (block out of range), -EINVAL (the controller refused an
 *	argument), -ENOSPC (capacity exceeded), -EROFS (write-protected), -EAGAIN (not now: try
 *	again), -ECANCELED (aborted), -EIO (all else).
 * @status: the controller's word for it: status code type << 8 | status code (section 4.6.1); see
 *	lab_nvme_status_text().
 * @value: the command's own result (dword 0), where it has one.
 */
struct lab_nvme_completion {
	void *cookie;
	int result;
	uint16_t status;
	uint32_t value;
};

/**
 * lab_nvme_open() - reset a controller, start it, and ask what it is.
 * @config: what to open; read during the call only.
 *
 * Return: the controller, owned by the caller until lab_nvme_close(); or NULL with errno, a
 * sentence in lab_error_text(), and everything as it was before: EINVAL (a bad field, named),
 * ENOTSUP (not an NVMe controller, or one that cannot use pages of 4096 bytes), ETIMEDOUT (it did
 * not start in the time that it gives itself), EIO (it failed), ENOMEM, or what
 * lab_domain_create(), lab_device_open(), lab_domain_map_pool() and lab_device_irq_enable() say.
 *
 * Thread-safe; sleeps until the controller is ready, which may take seconds.
 */
struct lab_nvme *lab_nvme_open(const struct lab_nvme_config *config);

/**
 * lab_nvme_close() - shut the controller down, take back what it had, and close it.
 * @nvme: a controller that no thread is using any more, nor any of its queues; NULL is allowed and
 *	does nothing.
 *
 * Queues that are still there end with it. Frames of commands that were in flight are taken back,
 * once the controller is known to have stopped or to be gone: the calling thread holds them then,
 * and it is the caller who knows which these are. What a write had reached by then is not known.
 *
 * Return: how many frames were taken back; or -EBUSY, the controller being closed: it could not be
 * stopped, and frames stay in quarantine, as lab_device_close() says; or -ENOSPC, the controller
 * being open still, when the calling thread can have no lcore in the pool.
 *
 * May sleep: 5 seconds at most for the shutdown, then as long as the controller gives itself to
 * stop.
 */
int64_t lab_nvme_close(struct lab_nvme *nvme);

/** lab_nvme_info() - what the controller is. Thread-safe; never sleeps. */
void lab_nvme_info(const struct lab_nvme *nvme, struct lab_nvme_info *info);

/** lab_nvme_device() - the PCI function underneath, for its domain and status; lives as long as the
 * controller. */
struct lab_device *lab_nvme_device(const struct lab_nvme *nvme);

/**
 * lab_nvme_namespace() - what a namespace is, as it was when the controller was opened.
 * @nvme: the controller.
 * @index: 0 to lab_nvme_info.namespaces - 1, in the order of their numbers.
 * @ns: receives it.
 *
 * Return: 0, or -ENOENT: there is no such namespace.
 *
 * Thread-safe; never sleeps.
 */
int lab_nvme_namespace(const struct lab_nvme *nvme, uint32_t index, struct lab_nvme_namespace *ns);

/**
 * lab_nvme_queue_create() - make a pair of queues, for one thread.
 * @nvme: the controller.
 * @depth: most commands in flight, 1 to lab_nvme_info.max_depth.
 *
 * Return: the queue, owned by the caller until lab_nvme_queue_destroy() or lab_nvme_close(); or
 * NULL with errno and a sentence: EINVAL, ENOSPC (lab_nvme_info.queues are there already), ENOMEM,
 * ENODEV (the controller is gone), ETIMEDOUT or EIO (it did not answer, or refused), or what
 * lab_run_alloc() says.
 *
 * Thread-safe; may sleep.
 */
struct lab_nvme_queue *lab_nvme_queue_create(struct lab_nvme *nvme, uint32_t depth);

/**
 * lab_nvme_queue_destroy() - end a queue, and take back the frames of what was in flight in it.
 * @queue: a queue that no thread is using any more; NULL is allowed and does nothing.
 *
 * Commands in flight are carried out or aborted, and are not reported any more.
 *
 * Return: how many frames were taken back: the calling thread holds them; or -errno: -ENODEV,
 * -ETIMEDOUT or -EIO: the controller did not confirm it, and the queue lives on, to end with
 * lab_nvme_close(); -ENOSPC: the calling thread can have no lcore in the pool.
 *
 * Thread-safe against other queues; may sleep.
 */
int64_t lab_nvme_queue_destroy(struct lab_nvme_queue *queue);

/**
 * lab_nvme_read() - read blocks into frames.
 * @queue: the queue.
 * @nsid: the namespace.
 * @lba: first block.
 * @blocks: how many.
 * @frames: frames that the caller holds, filled in this order, each whole but the last. The array
 * is copied.
 * @nframes: how many: exactly as many as the blocks need.
 * @cookie: comes back with the completion.
 *
 * Lends the frames to the device and returns at once. They are the caller's again when
 * lab_nvme_poll() reports @cookie. With a read that failed, their contents are undefined.
 *
 * Return: 0; -EAGAIN (the queue is full: poll; the one error without a sentence); or, with a
 * sentence and nothing lent: -EINVAL (no such namespace, a count of frames that does not fit the
 * blocks), -ERANGE (blocks beyond the namespace's end), -EMSGSIZE (more than
 * lab_nvme_info.max_transfer: split it), -ENOTSUP (the namespace has metadata), -ENODEV (the
 * controller is gone), -EIO (it has failed), or why the pool refused a frame: -EXDEV, -EALREADY,
 *-EBUSY and so on.
 *
 * One thread at a time for each queue. Never sleeps, takes no lock and makes no system call, except
 * in a strict domain.
 */
int lab_nvme_read(struct lab_nvme_queue *queue, uint32_t nsid, uint64_t lba, uint32_t blocks,
		  void *const *frames, uint32_t nframes, void *cookie);

/** lab_nvme_write() - write blocks from frames; in all else lab_nvme_read(). Other threads must not
 * change the frames meanwhile. */
int lab_nvme_write(struct lab_nvme_queue *queue, uint32_t nsid, uint64_t lba, uint32_t blocks,
		   void *const *frames, uint32_t nframes, void *cookie);

/**
 * lab_nvme_flush() - make what was written to a namespace survive a loss of power.
 *
 * Covers writes whose completion was reported before this call. Arguments, errors and properties
 * are lab_nvme_read()'s.
 */
int lab_nvme_flush(struct lab_nvme_queue *queue, uint32_t nsid, void *cookie);

/**
 * lab_nvme_submit() - submit any command of the NVM command set.
 * @queue: the queue.
 * @command: the command; copied.
 * @frames: frames that the caller holds, which become the command's data pointer.
 * @nframes: how many; 0 for a command without data.
 * @cookie: comes back with the completion.
 *
 * Only the frames are checked. A command that moves more data than there are frames makes the
 * controller follow pointers that are not there: in a domain behind an IOMMU it fails, or reaches
 * what it may reach anyway.
 *
 * Return: as lab_nvme_read().
 */
int lab_nvme_submit(struct lab_nvme_queue *queue, const struct lab_nvme_command *command,
		    void *const *frames, uint32_t nframes, void *cookie);

/**
 * lab_nvme_poll() - fetch commands that have ended.
 * @queue: the queue.
 * @completions: receives up to @n of them.
 * @n: most wanted.
 *
 * The frames of each are taken back: the calling thread holds them. The order is the controller's,
 * not that of submission.
 *
 * Return: how many, 0..@n; -ENODEV: none has ended, and the controller is gone or about to go;
 * -EIO: none has ended, and the controller has failed (it says so itself, or has completed what was
 * not submitted). After these two, close the controller: commands in flight are not reported any
 * more, and lab_nvme_close() takes their frames back.
 *
 * One thread at a time for each queue. Never sleeps, takes no lock and makes no system call, except
 * in a strict domain.
 */
int lab_nvme_poll(struct lab_nvme_queue *queue, struct lab_nvme_completion *completions,
		  unsigned n);

/**
 * lab_nvme_wait() - sleep until a command may have ended.
 * @queue: a queue of a controller that was opened with LAB_NVME_INTERRUPTS.
 * @timeout_ms: longest wait in milliseconds; 0 only looks, negative waits without end.
 *
 * Return: 1: lab_nvme_poll() is worth calling; 0: time ran out or a signal came; -ENODEV or -EIO as
 * lab_nvme_poll(); -ENOTSUP: the controller was opened without interrupts.
 *
 * One thread at a time for each queue; sleeps, that is its purpose.
 */
int lab_nvme_wait(struct lab_nvme_queue *queue, int timeout_ms);

/** lab_nvme_in_flight() - how many commands were submitted and not yet reported. The queue's thread
 * may ask. */
uint32_t lab_nvme_in_flight(const struct lab_nvme_queue *queue);

/**
 * lab_nvme_status_text() - words for a status.
 * @status: from lab_nvme_completion.status.
 *
 * Return: a constant string; never NULL. Thread-safe; never sleeps.
 */
const char *lab_nvme_status_text(uint16_t status);

#ifdef __cplusplus
}
#endif
#endif
