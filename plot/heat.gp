# SPDX-License-Identifier: GPL-2.0-only
#
# Heat map of a ratio: a panel for each IOMMU mode, queue depth by block size.
#
# Besides what style.gp wants: array Column[], the modes; Size[] and Depth[], the axes' words;
# xlabel, ylabel.
# The data has a block for each mode: depth size ratio differs, the first two counted from 0;
# differs is 0 where the interval of the ratio holds 1. Such a cell is white; of the others the colour says
# which way, the lightness how far, and the number both.

load here."/style.gp"

width = 900
cols = |Column|
height = 230 + 44 * |Size|
x0 = 0.095
x1 = 0.98
gapx = 0.02
wide = (x1 - x0 - (cols - 1) * gapx) / cols

set border 0
set tics scale 0
unset key
unset colorbox
set xrange [-0.5:|Depth| - 0.5]
set yrange [-0.5:|Size| - 0.5]
set xtics ()
do for [i = 1:|Depth|] { set xtics add (Depth[i] i - 1) }
set xlabel xlabel
set tmargin at screen 1 - (above + 40.0) / height
set bmargin at screen (below + 54.0) / height

# Between white and the colour of higher or lower, by the logarithm: full from a factor of 4.
deep(ratio) = (d = abs(log(ratio)) / log(4), d > 1 ? 1.0 : 0.15 + 0.85 * d)
mix(full, d) = int(255 - (255 - full) * d)
rgb(r, g, b, d) = mix(r, d) * 65536 + mix(g, d) * 256 + mix(b, d)
cell(ratio, differs) = !differs ? 0xffffff : ratio > 1 ? rgb(0, 70, 130, deep(ratio)) \
						       : rgb(170, 60, 0, deep(ratio))
digits(ratio, differs) = !differs ? 0x707070 : deep(ratio) > 0.55 ? 0xffffff : 0x000000

eval text(height)
do for [kind in "svg png"] {
	eval terminal(kind, width, height)
	set output base.".".kind
	set multiplot
	do for [c = 1:cols] {
		if (c == 2) {
			unset for [i = 101:104] label i
		}
		set lmargin at screen x0 + (c - 1) * (wide + gapx)
		set rmargin at screen x0 + (c - 1) * (wide + gapx) + wide
		unset ytics
		if (c == 1) {
			set ytics scale 0 nomirror () textcolor rgb ink
			do for [i = 1:|Size|] { set ytics add (Size[i] i - 1) }
		}
		set ylabel (c == 1 ? ylabel : "") offset 0.5, 0
		set label 1 Column[c] at graph 0.5, graph 1 center offset 0, 0.7 \
			font "DejaVu Sans:Bold,11" tc rgb ink
		plot base.".dat" index c - 1 \
			using 1:2:($1 - 0.49):($1 + 0.49):($2 - 0.48):($2 + 0.48): \
				(cell($3, int($4))) \
			with boxxyerror fs solid 1.0 border rgb "#c0c0c0" fc rgb variable, \
		     base.".dat" index c - 1 using 1:2:(sprintf("%.2f", $3)):(digits($3, int($4))) \
			with labels font ",11" tc rgb variable
	}
	unset multiplot
	unset output
	eval text(height)
}
