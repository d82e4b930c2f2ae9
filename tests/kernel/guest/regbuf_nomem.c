// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation on the way to a registration, and to a mapping, fails once:
 * what was asked for fails or works, and the next time it works. Needs the fault
 * injection of a kernel of kernel/build --debug.
 *
 * regbuf_nomem DEVICE
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common.h"

#define MOST	200	/* allocations; there are about ten */
#define LEN	4096U

static struct io_uring ring;
static struct dmabuf buf;
static int dev;

/* The file that orders a task's failures. Opening it allocates: before there is an order. */
static int open_order(const char *task)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%s/fail-nth", task);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("%s: %m", path);
	return fd;
}

/* Let the nth allocation fail; 0: none. Returns what was left of the last order. */
static unsigned int fail_nth(int fd, unsigned int n)
{
	char text[16] = "";
	unsigned int left;

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		die("fail-nth: %m");
	left = atoi(text);
	snprintf(text, sizeof(text), "%u", n);
	if (pwrite(fd, text, strlen(text), 0) < 0)
		die("fail-nth: %m");
	return left;
}

/* The same for the ring's workers. Returns the least that was left to any of them. */
static unsigned int workers_fail_nth(unsigned int n)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int left, least = MOST;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, "iou-wrk", 7)) {
			int order = open_order(entry->d_name);

			left = fail_nth(order, n);
			if (left < least)
				least = left;
			close(order);
		}
		fclose(f);
	}
	closedir(dir);
	return least;
}

static void test_register(void)
{
	unsigned int n, least, left = 0, failed = 0;
	int ret, again, order;
	struct utsname os;
	char tid[16];

	/* 6.12 needs one more */
	uname(&os);
	least = atoi(os.release) < 7 ? 4 : 3;
	snprintf(tid, sizeof(tid), "%ld", syscall(__NR_gettid));
	order = open_order(tid);
	for (n = 1; !left && n < MOST; n++) {
		fail_nth(order, n);
		ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
		left = fail_nth(order, 0);
		check(ret == 1 || ret == -ENOMEM, "allocation %u failed: %d", n, ret);
		failed += ret != 1;
		again = regbuf_dmabuf(&ring, 0, buf.fd, dev);
		check(again == 1, "after allocation %u failed: %d", n, again);
	}
	close(order);
	printf("registering: %u allocations, %u of them needed\n", n - 2, failed);
	check(failed >= least && n < MOST, "%u failures in %u", failed, n);
}

/* A new mapping is a worker's to make; it dies when idle, so that there may be a new one. */
static void test_map(void)
{
	unsigned int n, left = 0, failed = 0;
	int ret;

	for (n = 1; !left && n < MOST; n++) {
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, IOSQE_ASYNC);
		check(ret == (int)LEN, "before allocation %u fails: %d", n, ret);
		dmabuf_set(&buf, "move", 1);
		workers_fail_nth(n);
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, IOSQE_ASYNC);
		left = workers_fail_nth(0);
		check(ret == (int)LEN || ret == -ENOMEM, "allocation %u failed: %d", n, ret);
		failed += ret != (int)LEN;
	}
	printf("mapping: %u allocations, %u of them needed\n", n - 2, failed);
	check(failed > 2 && n < MOST, "%u failures in %u", failed, n);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	if (access("/proc/self/fail-nth", F_OK) || access("/sys/kernel/debug/failslab", F_OK)) {
		printf("needs a kernel of kernel/build --debug\n");
		return T_SKIP;
	}
	if (sysfs_write("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") ||
	    sysfs_write("/sys/kernel/debug/failslab/verbose", "0"))
		die("failslab");
	dmabuf_test_load();
	dmabuf_pages(&buf, 16 * LEN, 0);
	dev = dev_open(argv[1]);
	ring_create(&ring, 8, 0, 1);

	test_register();
	test_map();

	io_uring_queue_exit(&ring);
	dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	close(dev);
	nothing_left();
	return t_done();
}
