// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a registered dma-buf moves while it is read and written: each
 * byte arrives where it should, nothing waits for ever. An exporter that
 * refuses to map gives an error, one that takes its time is waited for.
 *
 * regbuf_move MOVES DEVICE DEVICE
 */
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"

#define DEPTH		128
#define UNIT		8192U
#define SECTOR		512U
#define POISON		0xa5
#define DRIVES		2
#define FIRST		MIB	/* where the test's data starts on each drive */
#define PATIENCE_MS	60000

static struct io_uring ring;
static struct dmabuf buf;
static int drives[DRIVES];
static uint64_t seed = 0x5eed;

/* One of the requests that are always in flight, with its own place everywhere. */
static struct unit {
	bool write;
	bool nowait;
	unsigned int offset;	/* in the unit's part of the dma-buf */
	unsigned int pos;	/* in its part of the drive */
	unsigned int len;
	unsigned char memory[UNIT];	/* what the dma-buf should have in the end */
	unsigned char drive[UNIT];	/* what the drive should have */
} units[DEPTH];

static unsigned long done, eagain_nowait, eagain_other;

static unsigned char *unit_map(unsigned int n)
{
	return buf.map + n * UNIT;
}

static void unit_submit(unsigned int n)
{
	struct unit *unit = &units[n];
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	void *addr = (void *)(uintptr_t)(n * UNIT + unit->offset);
	uint64_t pos = FIRST + n * UNIT + unit->pos;
	unsigned int drive = n % DRIVES;

	if (!sqe)
		die("no sqe");
	if (unit->write)
		io_uring_prep_write_fixed(sqe, drives[drive], addr, unit->len, pos, drive);
	else
		io_uring_prep_read_fixed(sqe, drives[drive], addr, unit->len, pos, drive);
	sqe->rw_flags = unit->nowait ? RWF_NOWAIT : 0;
	sqe->user_data = n;
}

static void unit_start(unsigned int n)
{
	const unsigned int sectors = UNIT / SECTOR;
	struct unit *unit = &units[n];

	unit->len = (1 + next_random(&seed) % sectors) * SECTOR;
	unit->offset = next_random(&seed) % (sectors + 1 - unit->len / SECTOR) * SECTOR;
	unit->pos = next_random(&seed) % (sectors + 1 - unit->len / SECTOR) * SECTOR;
	unit->write = next_random(&seed) & 1;
	/* Not by chance: were all of them so at some time, nobody would make a new mapping. */
	unit->nowait = n / DRIVES & 1;
	if (unit->write) {
		fill(unit->memory, UNIT, next_random(&seed));
		memcpy(unit_map(n), unit->memory, UNIT);
		memcpy(unit->drive + unit->pos, unit->memory + unit->offset, unit->len);
	} else {
		memset(unit->memory, POISON, UNIT);
		memcpy(unit_map(n), unit->memory, UNIT);
		memcpy(unit->memory + unit->offset, unit->drive + unit->pos, unit->len);
	}
	unit_submit(n);
}

/* Both ends by other ways than the dma-buf's: the CPU's view, and pread. */
static void unit_check(unsigned int n, int res)
{
	static unsigned char *ref;
	struct unit *unit = &units[n];

	if (!ref)
		ref = aligned(UNIT);
	check(res == (int)unit->len, "%s of %u at %u: %d", unit->write ? "write" : "read",
	      unit->len, unit->offset, res);
	check(!memcmp(unit_map(n), unit->memory, UNIT), "unit %u: the memory is wrong after a %s",
	      n, unit->write ? "write" : "read");
	if (!unit->write)
		return;
	dev_pread(drives[n % DRIVES], ref, UNIT, FIRST + n * UNIT);
	check(!memcmp(ref, unit->drive, UNIT), "unit %u: the drive is wrong after a write", n);
}

/* One completion; returns false when all that is in flight is done. */
static bool reap(bool more, unsigned int *in_flight)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	struct io_uring_cqe *cqe;
	unsigned int n;
	int ret, res;

	io_uring_submit(&ring);
	ret = io_uring_wait_cqe_timeout(&ring, &cqe, &patience);
	if (ret)
		die("no completion: %s, %lu moves", strerror(-ret), dmabuf_get(&buf, "moves"));
	n = cqe->user_data;
	res = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	if (res == -EAGAIN) {
		units[n].nowait ? eagain_nowait++ : eagain_other++;
		/* The last ones must wait: nobody else makes a mapping for them any more. */
		units[n].nowait &= more;
		unit_submit(n);
		return true;
	}
	done++;
	unit_check(n, res);
	if (more)
		unit_start(n);
	else
		--*in_flight;
	return *in_flight;
}

static void test_load(unsigned long moves)
{
	unsigned int n, in_flight = DEPTH;
	uint64_t progress = now_ms();
	unsigned long seen = 0;
	bool more = true;

	for (n = 0; n < DEPTH; n++) {
		fill(units[n].drive, UNIT, n);
		memcpy(unit_map(n), units[n].drive, UNIT);
		sqe_rw(&ring, true, drives[n % DRIVES], n % DRIVES, n * UNIT, UNIT,
		       FIRST + n * UNIT, 0);
	}
	if (io_uring_submit_and_wait(&ring, DEPTH) != DEPTH)
		die("submit");
	for (n = 0; n < DEPTH; n++) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(&ring, &cqe) || cqe->res != (int)UNIT)
			die("first write");
		io_uring_cqe_seen(&ring, cqe);
	}

	dmabuf_set(&buf, "move_every_ms", 5);
	for (n = 0; n < DEPTH; n++)
		unit_start(n);
	while (reap(more, &in_flight)) {
		if (done == seen) {
			check(now_ms() - progress < PATIENCE_MS, "EAGAIN and nothing else");
			more &= now_ms() - progress < PATIENCE_MS;
			continue;
		}
		seen = done;
		progress = now_ms();
		if (more && !(done % 64))
			more = dmabuf_get(&buf, "moves") < moves;
	}
	dmabuf_set(&buf, "move_every_ms", 0);
	printf("%lu moves, %lu maps, %lu I/O, EAGAIN: %lu of RWF_NOWAIT, %lu others\n",
	       dmabuf_get(&buf, "moves"), dmabuf_get(&buf, "maps"), done, eagain_nowait,
	       eagain_other);
	check(dmabuf_get(&buf, "moves") >= moves, "too few moves");
	check(done > moves, "hardly any I/O");
	check(eagain_nowait, "no move was noticed");
	check(!dmabuf_get(&buf, "stale"), "stale writes");
}

static int move(void)
{
	return dmabuf_set(&buf, "move", 1);
}

static int read_nowait(void)
{
	struct io_uring_cqe *cqe;
	int ret;

	sqe_rw(&ring, false, drives[0], 0, 0, 4096, FIRST, 0)->rw_flags = RWF_NOWAIT;
	if (io_uring_submit_and_wait(&ring, 1) != 1 || io_uring_wait_cqe(&ring, &cqe))
		die("submit");
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

static void test_refusing(void)
{
	static const int errors[] = { EBUSY, ENOMEM, EIO, EAGAIN, EINVAL };
	unsigned int i;
	int ret;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		dmabuf_set(&buf, "refuse_map", errors[i]);
		check(!move(), "move");
		ret = do_rw(&ring, false, drives[0], 0, 0, 4096, FIRST, 0);
		check(ret == -errors[i], "refused with %d: got %d", errors[i], ret);
		ret = do_rw(&ring, true, drives[0], 0, 0, 4096, FIRST, IOSQE_ASYNC);
		check(ret == -errors[i], "write refused with %d: got %d", errors[i], ret);
		ret = read_nowait();
		check(ret == -EAGAIN, "refused, not waiting: got %d", ret);
		dmabuf_set(&buf, "refuse_map", 0);
		ret = do_rw(&ring, false, drives[0], 0, 0, 4096, FIRST, 0);
		check(ret == 4096, "no longer refused: %d", ret);
		ret = read_nowait();
		check(ret == 4096, "mapped, not waiting: %d", ret);
	}

	dmabuf_set(&buf, "refuse_attach", EPERM);
	ret = regbuf_dmabuf(&ring, DRIVES, buf.fd, drives[0]);
	check(ret == -EPERM, "attach refused: %d", ret);
	dmabuf_set(&buf, "refuse_attach", 0);
	check(dmabuf_get(&buf, "attached") == DRIVES, "%lu attached", dmabuf_get(&buf, "attached"));
}

/* All wait for the one that maps, and nobody maps twice. */
static void test_delaying(void)
{
	const unsigned int delay = 200;
	unsigned long maps;
	unsigned int i;
	uint64_t start;

	dmabuf_set(&buf, "map_delay_ms", delay);
	check(!move(), "move");
	maps = dmabuf_get(&buf, "maps");
	start = now_ms();
	for (i = 0; i < 32; i++)
		sqe_rw(&ring, false, drives[0], 0, i * UNIT, UNIT, FIRST, 0);
	if (io_uring_submit_and_wait(&ring, i) != (int)i)
		die("submit");
	check(now_ms() - start >= delay, "did not wait for the exporter");
	while (i--) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(&ring, &cqe))
			die("wait");
		check(cqe->res == (int)UNIT, "delayed: %d", cqe->res);
		io_uring_cqe_seen(&ring, cqe);
	}
	check(dmabuf_get(&buf, "maps") == maps + 1, "%lu maps", dmabuf_get(&buf, "maps") - maps);
	dmabuf_set(&buf, "map_delay_ms", 0);
	dmabuf_set(&buf, "move_delay_ms", delay);
	check(!move(), "a slow move");
	dmabuf_set(&buf, "move_delay_ms", 0);
}

/* The CPU's view follows the buffer, with nothing lost on the way. */
static void test_cpu_view(void)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	unsigned char *copy = aligned(buf.size);
	unsigned int i;

	for (i = 0; i < 10; i++) {
		fill(buf.map, buf.size, i);
		memcpy(copy, buf.map, buf.size);
		check(!move(), "move");
		sync.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW;
		check(!ioctl(buf.fd, DMA_BUF_IOCTL_SYNC, &sync), "DMA_BUF_IOCTL_SYNC: %m");
		check(!memcmp(copy, buf.map, buf.size), "lost by move %u", i);
		sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
		check(!ioctl(buf.fd, DMA_BUF_IOCTL_SYNC, &sync), "DMA_BUF_IOCTL_SYNC: %m");
	}
	free(copy);
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc != 2 + DRIVES)
		die("usage: %s MOVES DEVICE DEVICE", argv[0]);
	dmabuf_test_load();
	dmabuf_pages(&buf, DEPTH * UNIT, 0);
	ring_create(&ring, DEPTH, 0, DRIVES + 1);
	for (i = 0; i < DRIVES; i++) {
		drives[i] = dev_open(argv[2 + i]);
		if (regbuf_dmabuf(&ring, i, buf.fd, drives[i]) != 1)
			die("register");
	}

	test_cpu_view();
	test_refusing();
	test_delaying();
	test_load(strtoul(argv[1], NULL, 0));

	io_uring_queue_exit(&ring);
	dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	for (i = 0; i < DRIVES; i++)
		close(drives[i]);
	nothing_left();
	return t_done();
}
