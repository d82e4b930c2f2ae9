// SPDX-License-Identifier: GPL-2.0-only
/* See common.h. */
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "kernel/modules/dmabuf_test.h"

#define MODULE_FOLDER	"/sys/kernel/debug/dmabuf_test"

static int failures;

static void say(const char *file, int line, const char *fmt, va_list ap)
{
	printf("%s:%d: ", file, line);
	vprintf(fmt, ap);
	printf("\n");
	fflush(stdout);
}

void t_die(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(file, line, fmt, ap);
	va_end(ap);
	exit(T_FAIL);
}

void t_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	failures++;
	if (failures > 20)
		return;
	va_start(ap, fmt);
	say(file, line, fmt, ap);
	va_end(ap);
}

int t_done(void)
{
	if (failures)
		printf("%d checks failed\n", failures);
	return failures ? T_FAIL : T_PASS;
}

static void udmabuf_create(struct dmabuf *buf, size_t size, unsigned int memfd_flags)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = size };
	int memfd, dev;

	memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | memfd_flags);
	if (memfd < 0 || ftruncate(memfd, size) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("memfd: %m");
	buf->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (buf->map == MAP_FAILED)
		die("mmap: %m");
	dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		die("/dev/udmabuf: %m");
	create.memfd = memfd;
	buf->fd = ioctl(dev, UDMABUF_CREATE, &create);
	if (buf->fd < 0)
		die("UDMABUF_CREATE of %zu bytes: %m", size);
	close(dev);
	close(memfd);
	buf->size = size;
}

void dmabuf_create(struct dmabuf *buf, size_t size)
{
	udmabuf_create(buf, size, 0);
}

void dmabuf_create_huge(struct dmabuf *buf, size_t size)
{
	udmabuf_create(buf, size, MFD_HUGETLB);
}

void dmabuf_destroy(struct dmabuf *buf)
{
	if (buf->map)
		munmap(buf->map, buf->size);
	if (buf->fd >= 0)
		close(buf->fd);
}

void dmabuf_test_load(void)
{
	const char *path = getenv("DMABUF_TEST_KO");
	int fd;

	if (!path) {
		printf("needs the module dmabuf_test beside the kernel\n");
		exit(T_SKIP);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: %m", path);
	if (syscall(__NR_finit_module, fd, "", 0) && errno != EEXIST)
		die("loading %s: %m", path);
	close(fd);
}

void dmabuf_test_parameter(const char *name, const char *value)
{
	char path[128];
	int ret;

	snprintf(path, sizeof(path), "/sys/module/dmabuf_test/parameters/%s", name);
	ret = sysfs_write(path, value);
	if (ret)
		die("%s: %s", path, strerror(-ret));
}

static int dmabuf_test_ioctl(unsigned long op, void *arg)
{
	int dev = open("/dev/dmabuf_test", O_RDWR | O_CLOEXEC);
	int ret = 0;

	if (dev < 0)
		die("/dev/dmabuf_test: %m");
	if (ioctl(dev, op, arg))
		ret = -errno;
	close(dev);
	return ret;
}

int dmabuf_try_pages(struct dmabuf *buf, size_t size, unsigned int order)
{
	struct dmabuf_test_pages arg = { .size = size, .order = order };
	int ret = dmabuf_test_ioctl(DMABUF_TEST_PAGES, &arg);

	if (!ret)
		*buf = (struct dmabuf){ .fd = arg.fd, .size = size, .id = arg.id };
	return ret;
}

int dmabuf_try_bar(struct dmabuf *buf, const char *device, unsigned int bar, uint64_t offset,
		   uint64_t size, unsigned int flags)
{
	struct dmabuf_test_bar arg = { .bar = bar, .offset = offset, .size = size, .flags = flags };
	unsigned int slot, function;
	int ret;

	if (sscanf(device, "%x:%x:%x.%x", &arg.domain, &arg.bus, &slot, &function) != 4)
		die("%s: not a PCI address", device);
	arg.devfn = slot << 3 | function;
	ret = dmabuf_test_ioctl(DMABUF_TEST_BAR, &arg);
	if (!ret)
		*buf = (struct dmabuf){ .fd = arg.fd, .size = arg.size, .id = arg.id };
	return ret;
}

static void dmabuf_mmap(struct dmabuf *buf)
{
	buf->map = mmap(NULL, buf->size, PROT_READ | PROT_WRITE, MAP_SHARED, buf->fd, 0);
	if (buf->map == MAP_FAILED)
		die("mmap of the dma-buf: %m");
}

void dmabuf_pages(struct dmabuf *buf, size_t size, unsigned int order)
{
	int ret = dmabuf_try_pages(buf, size, order);

	if (ret)
		die("DMABUF_TEST_PAGES of %zu bytes: %s", size, strerror(-ret));
	dmabuf_mmap(buf);
}

void dmabuf_bar(struct dmabuf *buf, const char *device, unsigned int bar, uint64_t offset,
		uint64_t size, unsigned int flags)
{
	int ret = dmabuf_try_bar(buf, device, bar, offset, size, flags);

	if (ret)
		die("DMABUF_TEST_BAR of %s: %s", device, strerror(-ret));
	dmabuf_mmap(buf);
}

unsigned long dmabuf_get(const struct dmabuf *buf, const char *name)
{
	char path[128];
	unsigned long value;
	FILE *f;

	snprintf(path, sizeof(path), MODULE_FOLDER "/%u/%s", buf->id, name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu", &value) != 1)
		die("%s: %m", path);
	fclose(f);
	return value;
}

int dmabuf_set(const struct dmabuf *buf, const char *name, unsigned long value)
{
	char path[128], text[24];

	snprintf(path, sizeof(path), MODULE_FOLDER "/%u/%s", buf->id, name);
	snprintf(text, sizeof(text), "%lu", value);
	return sysfs_write(path, text);
}

void dmabuf_settle(const struct dmabuf *buf)
{
	uint64_t end = now_ms() + 60000;

	while (dmabuf_get(buf, "attached") && now_ms() < end)
		usleep(10000);
	check(!dmabuf_get(buf, "attached"), "still attached");
	check(!dmabuf_get(buf, "mapped"), "still mapped");
	check(dmabuf_get(buf, "maps") == dmabuf_get(buf, "unmaps"), "%lu maps, %lu unmaps",
	      dmabuf_get(buf, "maps"), dmabuf_get(buf, "unmaps"));
	check(!dmabuf_get(buf, "stale"), "%lu pages written to after unmapping",
	      dmabuf_get(buf, "stale"));
}

void nothing_left(void)
{
	uint64_t end = now_ms() + 60000;
	char line[256] = "";
	bool empty = false;

	while (!empty && now_ms() < end) {
		FILE *f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");

		if (!f)
			die("/sys/kernel/debug/dma_buf/bufinfo: %m");
		while (fgets(line, sizeof(line), f))
			empty |= !!strstr(line, "Total 0 objects");
		fclose(f);
		if (!empty)
			usleep(50000);
	}
	check(empty, "dma-bufs left: %s", line);
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dULL;
}

int dev_open(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		die("%s: %m", path);
	return fd;
}

void ring_create(struct io_uring *ring, unsigned int entries, unsigned int flags,
		 unsigned int slots)
{
	int ret = io_uring_queue_init(entries, ring, flags);

	if (ret)
		die("io_uring_queue_init: %s", strerror(-ret));
	if (!slots)
		return;
	ret = io_uring_register_buffers_sparse(ring, slots);
	if (ret)
		die("io_uring_register_buffers_sparse: %s", strerror(-ret));
}

int regbuf_update(struct io_uring *ring, unsigned int slot,
		  const struct io_uring_regbuf_desc *descs, unsigned int nr, uint64_t *tags)
{
	struct regbuf_update up = {
		.offset = slot,
		.flags = IORING_RSRC_UPDATE_EXTENDED,
		.data = (uintptr_t)descs,
		.tags = (uintptr_t)tags,
		.nr = nr,
	};
	int ret = syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_BUFFERS_UPDATE,
			  &up, sizeof(up));

	return ret < 0 ? -errno : ret;
}

int regbuf_dmabuf(struct io_uring *ring, unsigned int slot, int dmabuf_fd, int target_fd)
{
	struct io_uring_regbuf_desc desc = {
		.type = IO_REGBUF_TYPE_DMABUF,
		.dmabuf_fd = dmabuf_fd,
		.target_fd = target_fd,
	};

	return regbuf_update(ring, slot, &desc, 1, NULL);
}

struct io_uring_sqe *sqe_rw(struct io_uring *ring, bool write, int fd, unsigned int slot,
			    uint64_t buf_offset, unsigned int len, uint64_t dev_offset,
			    unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		die("no sqe");
	if (write)
		io_uring_prep_write_fixed(sqe, fd, (void *)(uintptr_t)buf_offset, len, dev_offset,
					  slot);
	else
		io_uring_prep_read_fixed(sqe, fd, (void *)(uintptr_t)buf_offset, len, dev_offset,
					 slot);
	sqe->flags |= sqe_flags;
	return sqe;
}

int do_rw(struct io_uring *ring, bool write, int fd, unsigned int slot, uint64_t buf_offset,
	  unsigned int len, uint64_t dev_offset, unsigned int sqe_flags)
{
	struct io_uring_cqe *cqe;
	int ret;

	sqe_rw(ring, write, fd, slot, buf_offset, len, dev_offset, sqe_flags);
	ret = io_uring_submit_and_wait(ring, 1);
	if (ret < 0)
		die("io_uring_submit_and_wait: %s", strerror(-ret));
	ret = io_uring_wait_cqe(ring, &cqe);
	if (ret)
		die("io_uring_wait_cqe: %s", strerror(-ret));
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

void fill(void *buf, size_t len, uint64_t seed)
{
	uint64_t *word = buf;
	size_t i;

	for (i = 0; i < len / sizeof(*word); i++)
		word[i] = (seed << 40) ^ (i * 0x9e3779b97f4a7c15ULL);
}

/* Not in commands as large as those under test: QEMU's drive refuses some (see regbuf_data.c). */
void dev_pread(int fd, void *buf, size_t len, off_t pos)
{
	size_t done, part;

	for (done = 0; done < len; done += part) {
		part = len - done < MIB ? len - done : MIB;
		if (pread(fd, (char *)buf + done, part, pos + done) != (ssize_t)part)
			die("pread of %zu at %ld: %m", part, (long)(pos + done));
	}
}

void dev_pwrite(int fd, const void *buf, size_t len, off_t pos)
{
	size_t done, part;

	for (done = 0; done < len; done += part) {
		part = len - done < MIB ? len - done : MIB;
		if (pwrite(fd, (const char *)buf + done, part, pos + done) != (ssize_t)part)
			die("pwrite of %zu at %ld: %m", part, (long)(pos + done));
	}
}

void *aligned(size_t len)
{
	void *buf;

	if (posix_memalign(&buf, 4096, len))
		die("posix_memalign of %zu", len);
	return buf;
}

int sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}
