// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers that are a piece of a PCI device's BAR.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>

#include "dmabuf_test.h"
#include "internal.h"

static bool any_distance;
module_param(any_distance, bool, 0600);
MODULE_PARM_DESC(any_distance, "let devices attach to a BAR that seems out of their reach");

int bar_find(struct buffer *buf, struct dmabuf_test_bar *arg)
{
	struct pci_dev *pdev;
	resource_size_t len;
	int ret = -EINVAL;

	pdev = pci_get_domain_bus_and_slot(arg->domain, arg->bus, arg->devfn);
	if (!pdev)
		return -ENODEV;
	len = pci_resource_len(pdev, arg->bar);
	if (!(pci_resource_flags(pdev, arg->bar) & IORESOURCE_MEM) || arg->offset >= len)
		goto put;
	if (!arg->size)
		arg->size = len - arg->offset;
	/* One DMA segment must hold it. */
	if (arg->size > len - arg->offset || arg->size > U32_MAX)
		goto put;
	ret = -EBUSY;
	if (pdev->dev.driver)
		goto put;
	ret = pci_enable_device_mem(pdev);
	if (ret)
		goto put;
	buf->pdev = pdev;
	buf->phys = pci_resource_start(pdev, arg->bar) + arg->offset;
	buf->bus = pci_bus_address(pdev, arg->bar) + arg->offset;
	buf->map_bus = arg->flags & DMABUF_TEST_BAR_BUS_ADDRESS;
	return 0;
put:
	pci_dev_put(pdev);
	return ret;
}

int bar_attach(struct buffer *buf, struct dma_buf_attachment *attach)
{
	if (!attach->peer2peer)
		return -EOPNOTSUPP;
	if (!any_distance && pci_p2pdma_distance(buf->pdev, attach->dev, true) < 0)
		return -EXDEV;
	return 0;
}

int bar_map(struct buffer *buf, struct mapping *mapping)
{
	size_t size = buf->dmabuf->size;
	dma_addr_t addr = buf->bus;
	int ret;

	ret = sg_alloc_table(&mapping->sgt, 1, GFP_KERNEL);
	if (ret)
		return ret;
	if (!buf->map_bus) {
		addr = dma_map_resource(mapping->dev, buf->phys, size, mapping->dir,
					DMA_ATTR_SKIP_CPU_SYNC);
		if (dma_mapping_error(mapping->dev, addr)) {
			sg_free_table(&mapping->sgt);
			return -EIO;
		}
	}
	/* There are no pages that an importer could look at. */
	sg_set_page(mapping->sgt.sgl, NULL, size, 0);
	sg_dma_address(mapping->sgt.sgl) = addr;
	sg_dma_len(mapping->sgt.sgl) = size;
	return 0;
}

void bar_unmap(struct dma_buf_attachment *attach, struct mapping *mapping,
	       enum dma_data_direction dir)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	struct buffer *buf = dmabuf->priv;

	if (!buf->map_bus)
		dma_unmap_resource(attach->dev, sg_dma_address(mapping->sgt.sgl), dmabuf->size, dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&mapping->sgt);
}

void bar_release(struct buffer *buf)
{
	pci_disable_device(buf->pdev);
	pci_dev_put(buf->pdev);
}
