// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registrations end in every order and under load, and leave nothing behind:
 * descriptors closed early, slots overwritten and unregistered, rings closed,
 * processes killed, the controller reset, the driver unbound, the device
 * removed, and bound in another IOMMU mode; and all that while the memory moves
 * and another thread keeps the drive busy.
 *
 * regbuf_life DEVICE RESETS REMOVALS
 */
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define DEPTH		64
#define LEN		65536U
#define FIRST		(16 * MIB)	/* where nothing else is written */
#define PATIENCE_MS	120000

static char path[64];		/* /dev/nvme0n1 */
static char controller[32];	/* nvme0 */
static char pci[32];		/* 0000:00:04.0 */

/* From the namespace's name to its PCI function. */
static void find_device(const char *name)
{
	char link[PATH_MAX], dir[PATH_MAX];

	snprintf(path, sizeof(path), "%s", name);
	snprintf(link, sizeof(link), "/sys/block/%s/device/device", strrchr(name, '/') + 1);
	if (!realpath(link, dir))
		die("%s: %m", link);
	snprintf(pci, sizeof(pci), "%s", basename(dir));
}

/* And back: both numbers in a name can change while an old file is still open. */
static bool find_namespace(char *name, size_t name_size, char *ctrl, size_t ctrl_size)
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/nvme/nvme*/nvme*n*", pci);
	if (glob(pattern, 0, NULL, &found))
		return false;
	snprintf(name, name_size, "/dev/%s", basename(found.gl_pathv[0]));
	snprintf(ctrl, ctrl_size, "%s", basename(dirname(found.gl_pathv[0])));
	globfree(&found);
	return !access(name, R_OK | W_OK);
}

static bool device_is_back(void)
{
	return find_namespace(path, sizeof(path), controller, sizeof(controller));
}

/* Namespaces are scanned in the background. */
static void wait_for_device(void)
{
	unsigned int try;

	for (try = 0; try < 300 && !device_is_back(); try++)
		usleep(100000);
	if (try == 300)
		die("the namespace of %s is not back", pci);
}

static void submit_reads(struct io_uring *ring, int dev, unsigned int slot, unsigned int n)
{
	unsigned int i;
	int ret;

	for (i = 0; i < n; i++)
		sqe_rw(ring, i & 1, dev, slot, i * LEN, LEN, i * LEN, 0);
	ret = io_uring_submit(ring);
	if (ret != (int)n)
		die("io_uring_submit: %d", ret);
}

/* What may happen to requests that are in flight. */
enum fate {
	DONE,		/* all succeed */
	RESET,		/* or find the registration dead */
	REMOVAL,	/* or a drive that is going */
};

/*
 * A dead registration is ENODEV. A drive that goes is, some moments before, one
 * of no size to the block layer, or a dead one: as for any other direct I/O.
 */
static bool is_fate(int res, enum fate worst)
{
	switch (res) {
	case LEN:
		return true;
	case -ENODEV:
		return worst >= RESET;
	case 0:
	case -ENOSPC:
	case -EIO:
		return worst >= REMOVAL;
	}
	return false;
}

static void reap(struct io_uring *ring, unsigned int n, enum fate worst)
{
	while (n--) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(ring, &cqe))
			die("io_uring_wait_cqe");
		check(is_fate(cqe->res, worst), "in flight: %d", cqe->res);
		io_uring_cqe_seen(ring, cqe);
	}
}

/* The first I/O maps; what is submitted after it goes to the drive at once. */
static void map(struct io_uring *ring, int dev, unsigned int slot)
{
	int ret = do_rw(ring, false, dev, slot, 0, LEN, 0, 0);

	check(ret == (int)LEN, "first I/O: %d", ret);
}

/* Memory that stays where it is, or never does. */
static void setup(struct io_uring *ring, struct dmabuf *buf, int *dev, unsigned int slots,
		  bool moving)
{
	unsigned int i;

	*dev = dev_open(path);
	if (moving) {
		dmabuf_pages(buf, DEPTH * LEN, 0);
		dmabuf_set(buf, "move_every_ms", 5);
	} else {
		dmabuf_create(buf, DEPTH * LEN);
	}
	ring_create(ring, DEPTH, 0, slots);
	for (i = 0; i < slots; i++) {
		int ret = regbuf_dmabuf(ring, i, buf->fd, *dev);

		if (ret != 1)
			die("register: %d", ret);
	}
}

static void test_close_early(void)
{
	struct io_uring ring;
	struct dmabuf buf;
	int dev, ret;

	setup(&ring, &buf, &dev, 1, false);
	if (io_uring_register_files(&ring, &dev, 1))
		die("io_uring_register_files");
	close(buf.fd);
	buf.fd = -1;
	close(dev);
	ret = do_rw(&ring, false, 0, 0, 0, LEN, 0, IOSQE_FIXED_FILE);
	check(ret == (int)LEN, "descriptors closed: %d", ret);
	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
}

static void test_unregister(void)
{
	struct io_uring_regbuf_desc empty = { };
	struct io_uring ring;
	unsigned int i;
	int dev, ret;
	struct dmabuf buf;

	setup(&ring, &buf, &dev, 2, false);
	for (i = 0; i < 50; i++) {
		map(&ring, dev, 0);
		submit_reads(&ring, dev, 0, DEPTH);
		ret = i & 1 ? regbuf_update(&ring, 0, &empty, 1, NULL)
			    : regbuf_dmabuf(&ring, 0, buf.fd, dev);
		check(ret == 1, "update under load: %d", ret);
		reap(&ring, DEPTH, DONE);
		if (i & 1) {
			ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
			check(ret == -EFAULT, "empty slot: %d", ret);
			ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
			check(ret == 1, "register again: %d", ret);
		}
	}
	for (i = 0; i < 20; i++) {
		map(&ring, dev, 1);
		submit_reads(&ring, dev, 1, DEPTH);
		ret = io_uring_unregister_buffers(&ring);
		check(!ret, "io_uring_unregister_buffers: %d", ret);
		reap(&ring, DEPTH, DONE);
		if (io_uring_register_buffers_sparse(&ring, 2))
			die("io_uring_register_buffers_sparse");
		ret = regbuf_dmabuf(&ring, 1, buf.fd, dev);
		check(ret == 1, "register again: %d", ret);
	}
	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
}

static void test_ring_exit(void)
{
	struct io_uring ring;
	struct dmabuf buf;
	unsigned int i;
	int dev;

	for (i = 0; i < 30; i++) {
		setup(&ring, &buf, &dev, 1, i & 1);
		map(&ring, dev, 0);
		submit_reads(&ring, dev, 0, DEPTH);
		io_uring_queue_exit(&ring);
		dmabuf_destroy(&buf);
		close(dev);
	}
}

/* Reads until it is killed; a wrong completion ends it by itself. */
static void __attribute__((noreturn)) read_for_ever(bool moving, atomic_uint *batches)
{
	struct io_uring ring;
	struct dmabuf buf;
	int dev;

	setup(&ring, &buf, &dev, 1, moving);
	while (!t_done()) {
		submit_reads(&ring, dev, 0, DEPTH);
		reap(&ring, DEPTH, DONE);
		atomic_fetch_add(batches, 1);
	}
	_exit(T_FAIL);
}

static void test_kill(void)
{
	atomic_uint *batches = mmap(NULL, sizeof(*batches), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int i;

	if (batches == MAP_FAILED)
		die("mmap: %m");
	for (i = 0; i < 20; i++) {
		uint64_t start = now_ms();
		int status = 0;
		pid_t pid;

		atomic_store(batches, 0);
		pid = fork();
		if (pid < 0)
			die("fork: %m");
		if (!pid)
			read_for_ever(i & 1, batches);
		while (!atomic_load(batches) && now_ms() - start < PATIENCE_MS &&
		       !waitpid(pid, &status, WNOHANG))
			usleep(1000);
		check(atomic_load(batches), "child: no I/O; status %#x", status);
		usleep(i * 3000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "child: %#x", status);
	}
	munmap(batches, sizeof(*batches));
}

/* Both rings share the memory: the second one's registration is the first one's. */
static void test_clone(void)
{
	struct io_uring ring, other;
	struct dmabuf buf;
	int dev, ret;
	struct {
		uint32_t src_fd, flags, pad[6];
	} clone = { };

	setup(&ring, &buf, &dev, 1, false);
	ring_create(&other, 8, 0, 0);
	clone.src_fd = ring.ring_fd;
	ret = io_uring_register(other.ring_fd, 30 /* IORING_REGISTER_CLONE_BUFFERS */, &clone, 1);
	check(!ret, "clone: %d", ret);
	io_uring_queue_exit(&ring);
	ret = do_rw(&other, false, dev, 0, 0, LEN, 0, 0);
	check(ret == (int)LEN, "I/O on a clone: %d", ret);
	io_uring_queue_exit(&other);
	dmabuf_destroy(&buf);
	close(dev);

	setup(&ring, &buf, &dev, 1, false);
	ring_create(&other, 8, IORING_SETUP_IOPOLL, 0);
	clone.src_fd = ring.ring_fd;
	ret = io_uring_register(other.ring_fd, 30, &clone, 1);
	check(!ret, "clone: %d", ret);
	ret = do_rw(&other, false, dev, 0, 0, LEN, 0, 0);
	check(ret == -EOPNOTSUPP, "I/O on a clone with IOPOLL: %d", ret);
	io_uring_queue_exit(&other);
	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
}

/*
 * A thread with a ring and a dma-buf of its own that keeps DEPTH requests in
 * flight through all that happens to the drive, and registers again when its
 * registration has died.
 */
static struct load {
	pthread_t thread;
	struct io_uring ring;
	struct dmabuf buf;
	int dev;
	bool moving;
	bool removals;			/* the drive is not only reset */
	uint64_t registration;		/* which one requests were made for */
	atomic_bool stop;
	atomic_ulong completed, died, gone, renewed;
} load;

static void load_submit(unsigned int n)
{
	sqe_rw(&load.ring, n & 1, load.dev, 0, n * LEN, LEN, n * LEN, 0)->user_data =
		load.registration << 8 | n;
	if (io_uring_submit(&load.ring) != 1)
		die("io_uring_submit");
}

/* With the drive as it is, or as it comes back; it may go while this looks. */
static void load_renew(void)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	char name[64], ctrl[32];
	int ret, dev;

	ret = regbuf_dmabuf(&load.ring, 0, load.buf.fd, load.dev);
	check(ret == 1 || load.removals, "load: register again: %d", ret);
	while (ret != 1) {
		if (now_ms() > end)
			die("load: no drive to register with again: %d", ret);
		usleep(10000);
		if (!find_namespace(name, sizeof(name), ctrl, sizeof(ctrl)))
			continue;
		dev = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (dev < 0)
			continue;
		close(load.dev);
		load.dev = dev;
		ret = regbuf_dmabuf(&load.ring, 0, load.buf.fd, dev);
	}
	load.registration++;
	load.renewed++;
}

static void load_completed(int res, uint64_t registration)
{
	if (res == (int)LEN) {
		load.completed++;
	} else if (res == -ENODEV) {
		load.died++;
		if (registration == load.registration && !load.stop)
			load_renew();
	} else {
		load.gone++;
		check(is_fate(res, load.removals ? REMOVAL : RESET), "load: %d", res);
	}
}

static void *load_run(void *unused)
{
	unsigned int n, in_flight = DEPTH;
	struct io_uring_cqe *cqe;

	for (n = 0; n < DEPTH; n++)
		load_submit(n);
	while (in_flight) {
		uint64_t data;
		int res;

		if (io_uring_wait_cqe(&load.ring, &cqe))
			die("io_uring_wait_cqe");
		data = cqe->user_data;
		res = cqe->res;
		io_uring_cqe_seen(&load.ring, cqe);
		load_completed(res, data >> 8);
		if (load.stop)
			in_flight--;
		else
			load_submit(data & 0xff);
	}
	return unused;
}

/* Wait until the load has so many registrations behind it, and its I/O completes. */
static void load_goes_on(unsigned long renewed)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	unsigned long completed;

	while (load.renewed < renewed && now_ms() < end)
		usleep(1000);
	completed = load.completed;
	while (load.completed == completed && now_ms() < end)
		usleep(1000);
	if (now_ms() >= end)
		die("load: %lu of %lu registrations, %lu I/O completed", load.renewed, renewed,
		    load.completed);
}

static void load_start(bool moving, bool removals)
{
	load = (struct load){ .moving = moving, .removals = removals };
	setup(&load.ring, &load.buf, &load.dev, 1, moving);
	if (pthread_create(&load.thread, NULL, load_run, NULL))
		die("pthread_create");
	load_goes_on(0);
}

static void load_stop(const char *what, unsigned long times)
{
	load.stop = true;
	pthread_join(load.thread, NULL);
	printf("load: %lu %s: %lu I/O completed, %lu ENODEV, %lu on a drive that was going\n",
	       times, what, load.completed, load.died, load.gone);
	check(load.died >= times, "load: %lu %s, but %lu ENODEV", times, what, load.died);
	io_uring_queue_exit(&load.ring);
	if (load.moving)
		dmabuf_settle(&load.buf);
	dmabuf_destroy(&load.buf);
	close(load.dev);
}

/*
 * An exporter that moves waits for I/O which only the reset brings back; the
 * reset must not wait for the exporter in turn.
 */
static void test_reset(unsigned int resets, bool moving)
{
	char file[128];
	struct io_uring ring;
	struct dmabuf buf;
	unsigned int i;
	int dev, ret;

	snprintf(file, sizeof(file), "/sys/class/nvme/%s/reset_controller", controller);
	load_start(moving, false);
	setup(&ring, &buf, &dev, 1, moving);
	for (i = 0; i < resets; i++) {
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
		check(ret == (int)LEN, "before the reset: %d", ret);
		submit_reads(&ring, dev, 0, DEPTH);
		ret = sysfs_write(file, "1");
		check(!ret, "%s: %d", file, ret);
		reap(&ring, DEPTH, RESET);
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
		check(ret == -ENODEV, "after the reset: %d", ret);
		ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
		check(ret == 1, "register again: %d", ret);
		load_goes_on(i + 1);
	}
	io_uring_queue_exit(&ring);
	if (moving)
		dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	close(dev);
	load_stop("resets", resets);
}

static void take_away(bool remove)
{
	char file[128];
	int ret;

	if (remove) {
		snprintf(file, sizeof(file), "/sys/bus/pci/devices/%s/remove", pci);
		ret = sysfs_write(file, "1");
	} else {
		ret = sysfs_write("/sys/bus/pci/drivers/nvme/unbind", pci);
	}
	check(!ret, "%s %s: %d", remove ? "remove" : "unbind", pci, ret);
}

static void bring_back(bool removed)
{
	int ret;

	if (removed)
		ret = sysfs_write("/sys/bus/pci/rescan", "1");
	else
		ret = sysfs_write("/sys/bus/pci/drivers/nvme/bind", pci);
	check(!ret, "%s %s: %d", removed ? "rescan for" : "bind", pci, ret);
}

/* The driver unbound and the device removed in turn, the ring closed before and after. */
static void test_removal(unsigned int removals)
{
	struct io_uring ring;
	struct dmabuf buf;
	unsigned int i;
	int dev, ret;

	load_start(true, true);
	for (i = 0; i < removals; i++) {
		bool remove = i & 1, early = i & 2, moving = i & 4;

		setup(&ring, &buf, &dev, 1, moving);
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
		check(ret == (int)LEN, "before the removal: %d", ret);
		submit_reads(&ring, dev, 0, DEPTH);
		take_away(remove);
		reap(&ring, DEPTH, REMOVAL);
		if (moving)
			check(!dmabuf_get(&buf, "attached"), "attached to a device that is gone");
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
		check(ret < 0, "after the removal: %d", ret);
		ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
		check(ret < 0, "registering with a gone device: %d", ret);
		if (early)
			io_uring_queue_exit(&ring);
		bring_back(remove);
		if (!early)
			io_uring_queue_exit(&ring);
		dmabuf_destroy(&buf);
		close(dev);
		wait_for_device();
		load_goes_on(i + 1);
	}
	load_stop("removals", removals);
	setup(&ring, &buf, &dev, 1, false);
	ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
	check(ret == (int)LEN, "when all is back: %d", ret);
	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
}

/* The drive comes back in another IOMMU mode, while it had the memory mapped in the old one. */
static void test_mode(const char *mode, bool moving)
{
	unsigned char *before = aligned(LEN), *after = aligned(LEN);
	char file[128], type[16] = "";
	struct io_uring ring;
	struct dmabuf buf;
	int dev, ret;
	FILE *f;

	setup(&ring, &buf, &dev, 1, moving);
	fill(before, LEN, 0x3a1 + moving);
	memcpy(buf.map, before, LEN);
	ret = do_rw(&ring, true, dev, 0, 0, LEN, FIRST, 0);
	check(ret == (int)LEN, "before %s: %d", mode, ret);
	submit_reads(&ring, dev, 0, DEPTH);
	take_away(false);
	reap(&ring, DEPTH, REMOVAL);

	snprintf(file, sizeof(file), "/sys/bus/pci/devices/%s/iommu_group/type", pci);
	ret = sysfs_write(file, mode);
	check(!ret, "%s into %s: %d", mode, file, ret);
	bring_back(false);
	wait_for_device();
	f = fopen(file, "r");
	if (!f || fscanf(f, "%15s", type) != 1)
		die("%s: %m", file);
	fclose(f);
	check(!strcmp(type, mode), "%s, not %s", type, mode);

	ret = do_rw(&ring, false, dev, 0, 0, LEN, FIRST, 0);
	check(ret == -ENODEV, "the old slot in mode %s: %d", mode, ret);
	close(dev);
	dev = dev_open(path);
	ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
	check(ret == 1, "register again in mode %s: %d", mode, ret);

	memset(buf.map, 0, LEN);
	ret = do_rw(&ring, false, dev, 0, 0, LEN, FIRST, 0);
	check(ret == (int)LEN, "read in mode %s: %d", mode, ret);
	check(!memcmp(buf.map, before, LEN), "read wrong data in mode %s", mode);
	fill(after, LEN, 0x3b1 + moving);
	memcpy(buf.map, after, LEN);
	ret = do_rw(&ring, true, dev, 0, 0, LEN, FIRST, 0);
	check(ret == (int)LEN, "write in mode %s: %d", mode, ret);
	dev_pread(dev, before, LEN, FIRST);
	check(!memcmp(before, after, LEN), "wrote wrong data in mode %s", mode);

	io_uring_queue_exit(&ring);
	if (moving)
		dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	close(dev);
	free(before);
	free(after);
}

/* Each mode from another one; it was strict before, and is again. */
static void test_modes(void)
{
	static const char *const modes[] = { "DMA-FQ", "identity", "DMA" };
	const unsigned int nr = sizeof(modes) / sizeof(*modes);
	unsigned int i;

	load_start(true, true);
	for (i = 0; i < 2 * nr; i++) {
		test_mode(modes[i % nr], i >= nr);
		load_goes_on(i + 1);
	}
	load_stop("changes of mode", i);
}

int main(int argc, char **argv)
{
	unsigned int resets, removals;

	if (argc != 4)
		die("usage: %s DEVICE RESETS REMOVALS", argv[0]);
	find_device(argv[1]);
	resets = atoi(argv[2]);
	removals = atoi(argv[3]);
	dmabuf_test_load();
	if (!device_is_back())
		die("%s: no namespace of an NVMe PCI drive", argv[1]);

	test_close_early();
	test_unregister();
	test_ring_exit();
	test_kill();
	test_clone();
	nothing_left();
	test_reset(resets / 2, false);
	test_reset(resets - resets / 2, true);
	nothing_left();
	test_removal(removals);
	nothing_left();
	test_modes();
	nothing_left();
	return t_done();
}
