// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registrations end in every order and under load, and leave nothing behind:
 * descriptors closed early, slots overwritten and unregistered, rings closed,
 * processes killed, the controller reset, the driver unbound, the device
 * removed; and all that while the memory moves.
 *
 * regbuf_life DEVICE RESETS REMOVALS
 */
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define DEPTH	64
#define LEN	65536U

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
static bool device_is_back(void)
{
	char pattern[128];
	glob_t found;
	bool back;

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/nvme/nvme*/nvme*n*", pci);
	if (glob(pattern, 0, NULL, &found))
		return false;
	snprintf(path, sizeof(path), "/dev/%s", basename(found.gl_pathv[0]));
	snprintf(controller, sizeof(controller), "%s",
		 basename(dirname(found.gl_pathv[0])));
	back = !access(path, R_OK | W_OK);
	globfree(&found);
	return back;
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

/* Reap @n completions; returns how many of them failed. */
static unsigned int reap(struct io_uring *ring, unsigned int n, int *last_error)
{
	unsigned int failed = 0;

	while (n--) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(ring, &cqe))
			die("io_uring_wait_cqe");
		if (cqe->res != (int)LEN) {
			failed++;
			*last_error = cqe->res;
		}
		io_uring_cqe_seen(ring, cqe);
	}
	return failed;
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
	int dev, ret, error = 0;
	struct io_uring ring;
	unsigned int i, failed;
	struct dmabuf buf;

	setup(&ring, &buf, &dev, 2, false);
	for (i = 0; i < 50; i++) {
		submit_reads(&ring, dev, 0, DEPTH);
		ret = i & 1 ? regbuf_update(&ring, 0, &empty, 1, NULL)
			    : regbuf_dmabuf(&ring, 0, buf.fd, dev);
		check(ret == 1, "update under load: %d", ret);
		failed = reap(&ring, DEPTH, &error);
		check(!failed, "slot overwritten under load: %u failed with %d", failed, error);
		if (i & 1) {
			ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
			check(ret == -EFAULT, "empty slot: %d", ret);
			ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
			check(ret == 1, "register again: %d", ret);
		}
	}
	for (i = 0; i < 20; i++) {
		submit_reads(&ring, dev, 1, DEPTH);
		ret = io_uring_unregister_buffers(&ring);
		check(!ret, "io_uring_unregister_buffers: %d", ret);
		failed = reap(&ring, DEPTH, &error);
		check(!failed, "unregistered under load: %u failed with %d", failed, error);
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
		submit_reads(&ring, dev, 0, DEPTH);
		io_uring_queue_exit(&ring);
		dmabuf_destroy(&buf);
		close(dev);
	}
}

static void test_kill(void)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			int dev, error;
			struct io_uring ring;
			struct dmabuf buf;

			setup(&ring, &buf, &dev, 1, i & 1);
			for (;;) {
				submit_reads(&ring, dev, 0, DEPTH);
				reap(&ring, DEPTH, &error);
			}
		}
		usleep(100000 + i * 3000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "child: %#x", status);
	}
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
 * An exporter that moves waits for I/O which only the reset brings back; the
 * reset must not wait for the exporter in turn.
 */
static void test_reset(unsigned int resets, bool moving)
{
	char file[128];
	struct io_uring ring;
	struct dmabuf buf;
	unsigned int i, failed;
	int dev, ret, error = 0;

	snprintf(file, sizeof(file), "/sys/class/nvme/%s/reset_controller", controller);
	setup(&ring, &buf, &dev, 1, moving);
	for (i = 0; i < resets; i++) {
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
		check(ret == (int)LEN, "before the reset: %d", ret);
		submit_reads(&ring, dev, 0, DEPTH);
		ret = sysfs_write(file, "1");
		check(!ret, "%s: %d", file, ret);
		failed = reap(&ring, DEPTH, &error);
		check(!failed || error == -ENODEV, "over the reset: %u failed with %d", failed,
		      error);
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
		check(ret == -ENODEV, "after the reset: %d", ret);
		ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
		check(ret == 1, "register again: %d", ret);
	}
	io_uring_queue_exit(&ring);
	if (moving)
		dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	close(dev);
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
	unsigned int i, try;
	int dev, ret, error = 0;

	for (i = 0; i < removals; i++) {
		bool remove = i & 1, early = i & 2, moving = i & 4;

		setup(&ring, &buf, &dev, 1, moving);
		ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
		check(ret == (int)LEN, "before the removal: %d", ret);
		submit_reads(&ring, dev, 0, DEPTH);
		take_away(remove);
		reap(&ring, DEPTH, &error);
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
		/* Namespaces are scanned in the background. */
		for (try = 0; try < 300 && !device_is_back(); try++)
			usleep(100000);
		if (try == 300)
			die("the namespace of %s is not back", pci);
	}
	setup(&ring, &buf, &dev, 1, false);
	ret = do_rw(&ring, false, dev, 0, 0, LEN, 0, 0);
	check(ret == (int)LEN, "when all is back: %d", ret);
	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
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
	return t_done();
}
