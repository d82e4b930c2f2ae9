// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation on the way to a registration, and to a mapping, fails once:
 * what was asked for fails or works, and the next time it works. Needs the fault
 * injection of a kernel of kernel/build --debug.
 *
 * regbuf_nomem DEVICE
 */
#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common.h"

#define MOST	200	/* allocations; there are about ten */
#define LEN	4096U

static struct io_uring ring;
static struct dmabuf buf;
static int dev;

/* Let the task's nth allocation fail; 0: none. Returns what was left of the last order. */
static unsigned int fail_nth(const char *task, unsigned int n)
{
	char path[64], text[16] = "";
	unsigned int left;
	FILE *f;
	int ret;

	snprintf(path, sizeof(path), "/proc/self/task/%s/fail-nth", task);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		die("%s: %m", path);
	fclose(f);
	left = atoi(text);
	snprintf(text, sizeof(text), "%u", n);
	ret = sysfs_write(path, text);
	if (ret)
		die("%s: %s", path, strerror(-ret));
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
			left = fail_nth(entry->d_name, n);
			if (left < least)
				least = left;
		}
		fclose(f);
	}
	closedir(dir);
	return least;
}

static void test_register(void)
{
	unsigned int n, left = 0, failed = 0;
	char tid[16];
	int ret, again;

	snprintf(tid, sizeof(tid), "%ld", syscall(__NR_gettid));
	for (n = 1; !left && n < MOST; n++) {
		fail_nth(tid, n);
		ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
		left = fail_nth(tid, 0);
		check(ret == 1 || ret == -ENOMEM, "allocation %u failed: %d", n, ret);
		failed += ret != 1;
		again = regbuf_dmabuf(&ring, 0, buf.fd, dev);
		check(again == 1, "after allocation %u failed: %d", n, again);
	}
	printf("registering: %u allocations, %u of them needed\n", n - 2, failed);
	check(failed > 3 && n < MOST, "%u failures in %u", failed, n);
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
