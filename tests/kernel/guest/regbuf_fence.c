// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter may map memory to which it has only begun to move the data, and
 * says so by a fence of the kernel's in the dma-buf's reservation: nothing may be
 * read or written before it has signalled. What ends meanwhile leaves nothing.
 *
 * regbuf_fence DEVICE
 */
#include <linux/fs.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define DEPTH		32
#define NOWAIT		DEPTH	/* one that will not wait, besides */
#define UNIT		8192U
#define POISON		0xa5
#define FENCE_MS	300
#define LONG_FENCE_MS	120000
#define PATIENCE_MS	60000

static struct io_uring ring;
static struct dmabuf buf;
static unsigned char *ref, *copy;
static int dev;

static void create(void)
{
	dmabuf_pages(&buf, DEPTH * UNIT, 0);
	ring_create(&ring, 2 * DEPTH, 0, 1);
	if (regbuf_dmabuf(&ring, 0, buf.fd, dev) != 1)
		die("register");
}

static void prepare(unsigned int unit)
{
	struct io_uring_sqe *sqe;

	if (unit == NOWAIT)
		sqe = sqe_rw(&ring, false, dev, 0, 0, UNIT, 0, 0);
	else
		sqe = sqe_rw(&ring, unit & 1, dev, 0, unit * UNIT, UNIT,
			     unit & 1 ? MIB + unit * UNIT : unit * UNIT, 0);
	sqe->rw_flags = unit == NOWAIT ? RWF_NOWAIT : 0;
	sqe->user_data = unit;
}

/* Half of it to be read, half to be written. Return: when; no fence has begun before. */
static uint64_t start(unsigned int fence_ms)
{
	uint64_t began;
	unsigned int i;

	fill(ref, DEPTH * UNIT, FENCE_MS);
	for (i = 0; i < DEPTH; i++) {
		if (i & 1)
			memcpy(buf.map + i * UNIT, ref + i * UNIT, UNIT);
		else
			memset(buf.map + i * UNIT, POISON, UNIT);
	}
	dev_pwrite(dev, ref, DEPTH * UNIT, 0);
	memset(copy, POISON, DEPTH * UNIT);
	dev_pwrite(dev, copy, DEPTH * UNIT, MIB);
	check(!dmabuf_set(&buf, "map_fence_ms", fence_ms), "map_fence_ms");
	check(!dmabuf_set(&buf, "move", 1), "move");
	began = now_ms();
	for (i = 0; i <= DEPTH; i++)
		prepare(i);
	if (io_uring_submit(&ring) != DEPTH + 1)
		die("submit");
	return began;
}

static bool untouched(void)
{
	unsigned int i, n;

	for (i = 0; i < DEPTH; i += 2) {
		for (n = 0; n < UNIT; n++)
			if (buf.map[i * UNIT + n] != POISON)
				return false;
	}
	return true;
}

/* All of it completes, with the right data, and not before the fence. */
static void finish(const char *what, uint64_t began)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	struct io_uring_cqe *cqe;
	unsigned int i, unit;
	int res;

	for (i = 0; i <= DEPTH; i++) {
		if (io_uring_wait_cqe_timeout(&ring, &cqe, &patience))
			die("%s: no completion", what);
		unit = cqe->user_data;
		res = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
		if (res == -EAGAIN && unit == NOWAIT)
			continue;
		if (res == -EAGAIN) {
			prepare(unit);
			io_uring_submit(&ring);
			i--;
			continue;
		}
		check(now_ms() - began >= FENCE_MS, "%s: completed with %d after %u of %u ms", what,
		      res, (unsigned int)(now_ms() - began), FENCE_MS);
		check(res == (int)UNIT, "%s: %d", what, res);
	}
	check(!memcmp(buf.map, ref, DEPTH * UNIT), "%s: read wrong data", what);
	dev_pread(dev, copy, DEPTH * UNIT, MIB);
	for (i = 1; i < DEPTH; i += 2)
		check(!memcmp(copy + i * UNIT, ref + i * UNIT, UNIT), "%s: wrote wrong data", what);
}

static void test_wait(void)
{
	unsigned long maps = dmabuf_get(&buf, "maps");
	uint64_t began = start(FENCE_MS);
	unsigned int waited;
	bool clean;
	int ret;

	/* No data in the memory either, whatever completions say. */
	do {
		clean = untouched();
		waited = now_ms() - began;
	} while (clean && waited < FENCE_MS);
	check(clean || waited >= FENCE_MS, "data after %u of %u ms", waited, FENCE_MS);
	finish("read and written", began);
	check(dmabuf_get(&buf, "maps") == maps + 1, "%lu maps", dmabuf_get(&buf, "maps") - maps);

	ret = do_rw(&ring, false, dev, 0, 0, UNIT, 0, 0);
	check(ret == (int)UNIT, "after the fence: %d", ret);
}

/* The memory moves on while there is a fence for where it is. */
static void test_move(void)
{
	uint64_t began = start(FENCE_MS);
	unsigned int i;
	int ret;

	for (i = 0; i < 3; i++) {
		/* A completion of ours that has to be posted interrupts waiting for the lock. */
		do
			ret = dmabuf_set(&buf, "move", 1);
		while (ret == -EINTR);
		check(!ret, "move under the fence: %d", ret);
	}
	finish("moved under the fence", began);
}

static void test_unregister(void)
{
	struct io_uring_regbuf_desc empty = { };
	uint64_t began = start(FENCE_MS);
	int ret = regbuf_update(&ring, 0, &empty, 1, NULL);

	check(ret == 1, "unregister: %d", ret);
	finish("unregistered", began);
	dmabuf_settle(&buf);
	ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
	check(ret == 1, "register again: %d", ret);
}

/* Wait until there is a mapping, and so a fence. */
static void wait_for_map(unsigned long maps)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	while (dmabuf_get(&buf, "maps") == maps && now_ms() < end)
		usleep(1000);
	check(dmabuf_get(&buf, "maps") > maps, "not mapped");
}

/* Nobody has to wait for a fence to be killed. */
static void test_kill(void)
{
	unsigned long maps;
	uint64_t began;
	int status;
	pid_t pid;

	io_uring_queue_exit(&ring);
	dmabuf_settle(&buf);
	maps = dmabuf_get(&buf, "maps");
	began = now_ms();
	pid = fork();
	if (!pid) {
		ring_create(&ring, 2 * DEPTH, 0, 1);
		if (regbuf_dmabuf(&ring, 0, buf.fd, dev) != 1)
			die("register");
		start(LONG_FENCE_MS);
		pause();
	}
	wait_for_map(maps);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "child: %#x", status);
	dmabuf_settle(&buf);
	check(now_ms() - began < LONG_FENCE_MS, "killed after %u ms",
	      (unsigned int)(now_ms() - began));
	dmabuf_destroy(&buf);
}

/* A request need not wait for a fence to be cancelled: it ends with EINTR. */
static void test_cancel(void)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	enum { CANCELLED, CANCEL };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	unsigned long maps;
	unsigned int i;

	create();
	maps = dmabuf_get(&buf, "maps");
	check(!dmabuf_set(&buf, "map_fence_ms", LONG_FENCE_MS), "map_fence_ms");
	check(!dmabuf_set(&buf, "move", 1), "move");
	sqe_rw(&ring, false, dev, 0, 0, UNIT, 0, IOSQE_ASYNC)->user_data = CANCELLED;
	io_uring_submit(&ring);
	wait_for_map(maps);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_cancel64(sqe, CANCELLED, 0);
	sqe->user_data = CANCEL;
	io_uring_submit(&ring);
	for (i = 0; i < 2; i++) {
		if (io_uring_wait_cqe_timeout(&ring, &cqe, &patience))
			die("cancelled: no completion");
		if (cqe->user_data == CANCELLED)
			check(cqe->res == -EINTR, "cancelled: %d", cqe->res);
		else
			check(cqe->res == -EALREADY, "to cancel: %d", cqe->res);
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_queue_exit(&ring);
	dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
}

/* The module stays for a fence that is all that is left of it. */
static void test_unload(void)
{
	unsigned long maps;
	uint64_t began, end;

	create();
	maps = dmabuf_get(&buf, "maps");
	began = start(FENCE_MS);
	wait_for_map(maps);
	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	end = now_ms() + PATIENCE_MS;
	while (syscall(__NR_delete_module, "dmabuf_test", O_NONBLOCK)) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			die("delete_module: %m");
		if (now_ms() > end)
			die("the module is used still");
		usleep(1000);
	}
	check(now_ms() - began >= FENCE_MS, "the module went after %u of %u ms",
	      (unsigned int)(now_ms() - began), FENCE_MS);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	dmabuf_test_load();
	dev = dev_open(argv[1]);
	ref = aligned(DEPTH * UNIT);
	copy = aligned(DEPTH * UNIT);
	create();

	test_wait();
	test_move();
	test_unregister();
	io_uring_queue_exit(&ring);
	dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	nothing_left();

	test_unload();
	nothing_left();
	dmabuf_test_load();
	create();
	test_kill();
	test_cancel();
	nothing_left();
	close(dev);
	return t_done();
}
