"""The loops over voxels that radiomics spends its time in, compiled by numba and free of Python's lock.

Each is an exact counterpart of one in PyRadiomics' C code (cmatrices.c, cshape.c), with the neighbourhood matrices
gathered in one pass instead of four. Arrays are flat and padded by one voxel of zeros, so that no neighbour needs a
bounds check: a neighbour is an offset, and level 0 means outside the region.
"""

import numpy as np
from numba import njit

jit = njit(cache=True, nogil=True)


@jit
def discretise(values, edges):  # type: ignore[no-untyped-def]
    """Bin numbers from 1 on, as `numpy.digitize(values, edges)`; `edges` are nearly evenly spaced."""
    last = edges.size - 1
    width = (edges[last] - edges[0]) / last
    levels = np.empty(values.size, np.int32)
    for i in range(values.size):
        x = values[i]
        k = min(max(int((x - edges[0]) / width), 0), last)
        # The division only guesses; the edges decide, so that rounding never moves a voxel to another bin.
        while k < last and x >= edges[k + 1]:
            k += 1
        while k > 0 and x < edges[k]:
            k -= 1
        levels[i] = k + 1
    return levels


@jit
def neighbourhoods(levels, voxels, offsets, highest, longest, alpha):  # type: ignore[no-untyped-def]
    """Co-occurrences, runs, dependences and neighbourhood differences in one pass.

    Parameters
    ----------
    levels : flat padded grey levels, 0 outside the region.
    voxels : flat indices of the region's voxels.
    offsets : one flat offset a direction; the opposite directions follow by symmetry.
    highest, longest : largest grey level; longest possible run.
    alpha : two voxels depend on each other when their levels differ by at most this.

    Returns
    -------
    co-occurrences (directions, highest, highest), runs (directions, highest, longest), dependences (highest,
    2 × directions + 1) and, per level, voxel count and summed difference from the neighbours' mean (highest, 2).
    """
    directions = offsets.size
    pairs = np.zeros((directions, highest, highest), np.int64)
    runs = np.zeros((directions, highest, longest), np.int64)
    dependences = np.zeros((highest, 2 * directions + 1), np.int64)
    differences = np.zeros((highest, 2), np.float64)
    for v in voxels:
        level = levels[v]
        count = 0
        total = 0
        depending = 0
        for a in range(directions):
            step = offsets[a]
            after = levels[v + step]
            before = levels[v - step]
            if after > 0:
                pairs[a, level - 1, after - 1] += 1
                count += 1
                total += after
                if abs(after - level) <= alpha:
                    depending += 1
            if before > 0:
                count += 1
                total += before
                if abs(before - level) <= alpha:
                    depending += 1
            if before != level:
                length = 0
                w = v + step
                while levels[w] == level:
                    length += 1
                    w += step
                runs[a, level - 1, length] += 1
        dependences[level - 1, depending] += 1
        differences[level - 1, 0] += 1
        if count > 0:
            differences[level - 1, 1] += abs(level - total / count)
    return pairs, runs, dependences, differences


@jit
def zones(levels, voxels, offsets):  # type: ignore[no-untyped-def]
    """Grey level and size of every zone (voxels of one level connected through any neighbour); eats `levels`."""
    found = np.empty((voxels.size, 2), np.int64)
    stack = np.empty(voxels.size, np.int64)
    number = 0
    for v in voxels:
        level = levels[v]
        if level == 0:
            continue
        levels[v] = 0
        stack[0] = v
        top = 1
        size = 0
        while top > 0:
            top -= 1
            k = stack[top]
            size += 1
            for step in offsets:
                if levels[k + step] == level:
                    levels[k + step] = 0
                    stack[top] = k + step
                    top += 1
                if levels[k - step] == level:
                    levels[k - step] = 0
                    stack[top] = k - step
                    top += 1
        found[number, 0] = level
        found[number, 1] = size
        number += 1
    return found[:number]


@jit
def cube_counts(mask):  # type: ignore[no-untyped-def]
    """How often each of the 256 corner patterns occurs among the 2×2×2 cubes of a padded mask, and where.

    Bit 0 to 7 of a pattern are the corners (z, y, x) 000, 001, 010, 011, 100, 101, 110, 111. The second array sums,
    per pattern, the cubes' z, y and x positions.
    """
    counts = np.zeros(256, np.int64)
    positions = np.zeros((256, 3), np.int64)
    depth, height, width = mask.shape
    for z in range(depth - 1):
        for y in range(height - 1):
            pattern = mask[z, y, 0] << 1 | mask[z, y + 1, 0] << 3 | mask[z + 1, y, 0] << 5 | mask[z + 1, y + 1, 0] << 7
            for x in range(width - 1):
                pattern = (
                    (pattern >> 1 & 0b01010101)
                    | mask[z, y, x + 1] << 1
                    | mask[z, y + 1, x + 1] << 3
                    | mask[z + 1, y, x + 1] << 5
                    | mask[z + 1, y + 1, x + 1] << 7
                )
                if 0 < pattern < 255:
                    counts[pattern] += 1
                    positions[pattern, 0] += z
                    positions[pattern, 1] += y
                    positions[pattern, 2] += x
    return counts, positions


@jit
def longest_squared(points):  # type: ignore[no-untyped-def]
    """The largest squared distance between any two rows of `points`."""
    longest = 0.0
    rows, columns = points.shape
    for i in range(rows):
        for j in range(i):
            distance = 0.0
            for k in range(columns):
                distance += (points[i, k] - points[j, k]) ** 2
            longest = max(longest, distance)
    return longest


@jit
def filtered_lines(lines, taps, sources):  # type: ignore[no-untyped-def]
    """A filter along the middle axis: output o is the sum, in order, of `taps[o, t]` times input `sources[o, t]`."""
    before, _, after = lines.shape
    outputs, length = taps.shape
    result = np.zeros((before, outputs, after))
    for b in range(before):
        for o in range(outputs):
            for t in range(length):
                tap, source = taps[o, t], sources[o, t]
                for a in range(after):
                    result[b, o, a] += tap * lines[b, source, a]
    return result
