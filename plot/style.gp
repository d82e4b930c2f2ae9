# SPDX-License-Identifier: GPL-2.0-only
#
# What all figures have in common. The caller has set
#
#   base       the figure's name: base.dat is read, base.svg and base.png are written
#   title, subtitle, note, footer   what stands above and below; the title has so many `lines`
#   arms       a word for each arm: its kind (fixed, plain, or who made the dma-buf) and, where
#              there are several of a kind, which of them: dma_heap1 dma_heap2
#   array Name[]  the arms' names, for the legend
#
# An arm looks the same in every figure. The colours (Okabe and Ito) are told apart by the
# colour-blind; for black and white, arms differ in lightness, filling, point and dash as well.

kind(arm) = arm[1:strlen(arm) - 1]
nth(arm) = int(arm[strlen(arm):strlen(arm)])
second(arm) = nth(arm) > 1
colour(arm) = \
	kind(arm) eq "fixed" ? "#E69F00" : kind(arm) eq "plain" ? "#808080" : \
	kind(arm) eq "udmabuf" ? "#0072B2" : kind(arm) eq "dma_heap" ? "#56B4E9" : \
	kind(arm) eq "drm" ? "#009E73" : kind(arm) eq "cuda" ? "#CC79A7" : \
	kind(arm) eq "hip" ? "#D55E00" : "#404040"
filling(arm) = second(arm) ? 1 : \
	kind(arm) eq "plain" ? 4 : kind(arm) eq "dma_heap" ? 5 : kind(arm) eq "drm" ? 6 : \
	kind(arm) eq "cuda" ? 7 : kind(arm) eq "hip" ? 2 : 3
# Open for the controls, filled for dma-bufs.
mark(arm) = \
	kind(arm) eq "fixed" ? 4 : kind(arm) eq "plain" ? 8 : \
	kind(arm) eq "udmabuf" ? 7 - second(arm) : kind(arm) eq "dma_heap" ? 13 - second(arm) : \
	kind(arm) eq "drm" ? 9 - second(arm) : kind(arm) eq "cuda" ? 11 - second(arm) : \
	kind(arm) eq "hip" ? 15 - second(arm) : 3
dash(arm) = kind(arm) eq "fixed" ? 2 : kind(arm) eq "plain" ? 3 : second(arm) ? 4 : 1

ink = "#202020"
grey = "#505050"

# eval terminal(kind, width, height): both are laid out alike, the PNG in twice as many dots.
terminal(kind, width, height) = kind eq "svg" ? \
	sprintf("set terminal svg size %d,%d dynamic font 'DejaVu Sans,12' ". \
		"background rgb 'white'", width, height) : \
	sprintf("set terminal pngcairo size %d,%d fontscale 1.5 linewidth 2 pointscale 2 ". \
		"font 'DejaVu Sans,12' background rgb 'white'", 2 * width, 2 * height)

set encoding utf8
set border 3 lc rgb "#606060"
set tics nomirror textcolor rgb ink
set style line 9 lc rgb "#b8b8b8" lw 0.6
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set errorbars 1.2 lw 1.3
set pointintervalbox 0.01

# eval text(height): the text around the plot, which leaves `above` and `below` dots free for it.
# A legend has rows of three; `more` may say how many there are besides the arms.
if (!exists("more")) { more = 0 }
keyrows = int((words(arms) + more + 2) / 3)
above = 28.0 + 21 * (lines - 1) + 22 + 18 * (keyrows - 1)
key(height) = sprintf("set key at screen 0.98, screen %g right center horizontal ". \
	"maxcols 3 noenhanced", 1 - (above - 9.0 * (keyrows - 1) + 14) / height)
below = 20.0 + (strlen(note) ? 17 : 0)
text(height) = \
	"set label 101 title at screen 0.02, screen 1 - 24.0 / ".height. \
		" font 'DejaVu Sans:Bold,15' tc rgb ink front;". \
	"set label 102 subtitle at screen 0.02, screen 1 - (above - 18 * (keyrows - 1) - 4) / ".height. \
		" font ',10.5' tc rgb grey noenhanced front;". \
	"set label 103 footer at screen 0.02, screen 9.0 / ".height. \
		" font ',8' tc rgb grey noenhanced front;". \
	"set label 104 note at screen 0.02, screen 25.0 / ".height. \
		" font 'DejaVu Sans:Bold,9' tc rgb ink front"

# Small multiples. eval legend(height) prepares a panel that has nothing but the text around and
# the legend, drawn by keyentry; eval panels, those that follow.
legend(height) = text(height). \
	";unset border; unset tics; unset xlabel; unset ylabel; unset grid;". \
	"unset label 1; unset label 2; set lmargin at screen 0.02; set rmargin at screen 0.98;". \
	"set tmargin at screen 0.99; set bmargin at screen 0.01;". \
	"set xrange [0:1]; set yrange [0:1];". \
	key(height)." samplen 3"
panels = "unset key; set border 3 lc rgb '#606060';". \
	"set xtics nomirror textcolor rgb ink; set ytics nomirror textcolor rgb ink;". \
	"set xlabel textcolor rgb ink; set grid ls 9 dt 3; do for [i = 101:104] { unset label i }"
