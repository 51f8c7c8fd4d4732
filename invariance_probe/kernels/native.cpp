// The inner loops of a training step on a CPU, run by run: matrix products, batch norm, the NT-Xent loss, and the random draws of views.
//
// Every function takes stacked tensors whose first axis is the run (models that are trained together have one slice each). It works
// through one run after the other, so that the output of a layer stays in the core's cache. The numbers of a run depend on its own slices
// only. The caller provides all memory, except for scratch space, which is kept between calls. Everything runs in one thread.
//
// Products are blocked as in Goto & van de Geijn 2008 (doi:10.1145/1356052.1356053), without the levels that matrices of a few hundred
// rows do not need: a tile of sums stays in registers while it runs along the depth (the summed axis).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16, VECTORS = 4;
#else
constexpr int LANES = 8, VECTORS = 2;
#endif
typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

inline Vector load(const float* __restrict from) { return *reinterpret_cast<const Loose*>(from); }
inline void store(float* __restrict to, Vector value) { *reinterpret_cast<Loose*>(to) = value; }
inline Vector splat(float value) { return value - Vector{}; }

// ---- Products ----------------------------------------------------------------------------------------------------------------

// Factors of a product: numbers in single precision, or words of two bfloat16 numbers of successive depth. Sums are in single precision.
struct Single {
    typedef float Word;
    static Vector right(const float* __restrict from) { return load(from); }
    static Vector left(const float* __restrict from) { return splat(*from); }
    static Vector add(Vector sum, Vector a, Vector b) { return sum + a * b; }
};

struct Halves {
    typedef uint32_t Word;
    static Vector right(const uint32_t* from) { return load(reinterpret_cast<const float*>(from)); }
    static Vector left(const uint32_t* from) {
        return reinterpret_cast<Vector>(static_cast<int32_t>(*from) - Integers{});
    }
    static Vector add(Vector sum, Vector a, Vector b) {
#if defined(__AVX512BF16__) && defined(__AVX512F__)
        return reinterpret_cast<Vector>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)));
#else
        const Integers x = reinterpret_cast<Integers>(a), y = reinterpret_cast<Integers>(b);
        sum += reinterpret_cast<Vector>(x << 16) * reinterpret_cast<Vector>(y << 16);
        return sum + reinterpret_cast<Vector>(x & ~0xffff) * reinterpret_cast<Vector>(y & ~0xffff);
#endif
    }
};

template <class Kind, int ROWS, int WIDE>
inline void tile(const typename Kind::Word* a, long a_row, long a_step, const typename Kind::Word* b, long b_step, float* c, long c_row, long depth) {
    Vector sum[ROWS][WIDE];
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < WIDE; ++j) sum[i][j] = Vector{};
    for (long k = 0; k < depth; ++k, a += a_step, b += b_step) {
        Vector right[WIDE];
#pragma GCC unroll 4
        for (int j = 0; j < WIDE; ++j) right[j] = Kind::right(b + j * LANES);
#pragma GCC unroll 12
        for (int i = 0; i < ROWS; ++i) {
            const Vector left = Kind::left(a + i * a_row);
#pragma GCC unroll 4
            for (int j = 0; j < WIDE; ++j) sum[i][j] = Kind::add(sum[i][j], left, right[j]);
        }
    }
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < WIDE; ++j) store(c + i * c_row + j * LANES, sum[i][j]);
}

template <class Kind, int WIDE>
inline void panel(const typename Kind::Word* a, long a_row, long a_step, const typename Kind::Word* b, long b_step, float* c, long c_row, long rows, long depth) {
    constexpr int TALL = WIDE <= 2 ? 12 : 6;
    long i = 0;
    for (; i + TALL <= rows; i += TALL) tile<Kind, TALL, WIDE>(a + i * a_row, a_row, a_step, b, b_step, c + i * c_row, c_row, depth);
    for (; i + 4 <= rows; i += 4) tile<Kind, 4, WIDE>(a + i * a_row, a_row, a_step, b, b_step, c + i * c_row, c_row, depth);
    for (; i < rows; ++i) tile<Kind, 1, WIDE>(a + i * a_row, a_row, a_step, b, b_step, c + i * c_row, c_row, depth);
}

template <class T>
T* scratch(int slot, long count) {
    thread_local std::vector<char> kept[8];
    const size_t bytes = static_cast<size_t>(count) * sizeof(T) + 64;
    if (kept[slot].size() < bytes) kept[slot].resize(bytes);
    const uintptr_t start = reinterpret_cast<uintptr_t>(kept[slot].data());
    return reinterpret_cast<T*>((start + 63) / 64 * 64);
}

// c[i, j] = sum over k of a[i a_row + k a_step] b[k b_step + j]; columns beyond whole vectors go through a padded copy.
template <class Kind>
void multiply(const typename Kind::Word* a, long a_row, long a_step, const typename Kind::Word* b, long b_step, float* c, long c_row, long rows, long columns, long depth) {
    long j = 0;
    for (; j + VECTORS * LANES <= columns; j += VECTORS * LANES)
        panel<Kind, VECTORS>(a, a_row, a_step, b + j, b_step, c + j, c_row, rows, depth);
    for (; j + LANES <= columns; j += LANES) panel<Kind, 1>(a, a_row, a_step, b + j, b_step, c + j, c_row, rows, depth);
    if (j == columns) return;
    const long left = columns - j;
    auto* padded = scratch<typename Kind::Word>(0, depth * LANES);
    float* found = scratch<float>(1, rows * LANES);
    std::memset(padded, 0, depth * LANES * sizeof(*padded));
    for (long k = 0; k < depth; ++k) std::copy_n(b + k * b_step + j, left, padded + k * LANES);
    panel<Kind, 1>(a, a_row, a_step, padded, LANES, found, LANES, rows, depth);
    for (long i = 0; i < rows; ++i) std::copy_n(found + i * LANES, left, c + i * c_row + j);
}

template <class T>
void transpose(const T* from, long rows, long columns, T* to) {
    for (long i = 0; i < rows; i += 16)
        for (long j = 0; j < columns; ++j)
            for (long k = i; k < std::min(i + 16, rows); ++k) to[j * rows + k] = from[k * columns + j];
}

// Round to the nearest bfloat16 (ties to even), in the low half of a word.
inline uint32_t rounded(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

// Pack two successive columns into each word: (row, (columns + 1) / 2).
void pair_columns(const float* __restrict from, long rows, long columns, uint32_t* to) {
    const long words = (columns + 1) / 2;
    for (long i = 0; i < rows; ++i, from += columns, to += words) {
        for (long j = 0; j < columns / 2; ++j) to[j] = rounded(from[2 * j]) | rounded(from[2 * j + 1]) << 16;
        if (columns % 2) to[words - 1] = rounded(from[columns - 1]);
    }
}

// Pack two successive rows into each word: ((rows + 1) / 2, column).
void pair_rows(const float* __restrict from, long rows, long columns, uint32_t* to) {
    for (long i = 0; i + 1 < rows; i += 2, from += 2 * columns, to += columns)
        for (long j = 0; j < columns; ++j) to[j] = rounded(from[j]) | rounded(from[columns + j]) << 16;
    if (rows % 2)
        for (long j = 0; j < columns; ++j) to[j] = rounded(from[j]);
}

// out = x @ weight, for one run.
void product(const float* __restrict x, const float* __restrict weight, float* __restrict out, long rows, long inputs, long width, bool halves) {
    if (!halves) return multiply<Single>(x, inputs, 1, weight, width, out, width, rows, width, inputs);
    const long words = (inputs + 1) / 2;
    uint32_t *a = scratch<uint32_t>(2, rows * words), *b = scratch<uint32_t>(3, words * width);
    pair_columns(x, rows, inputs, a);
    pair_rows(weight, inputs, width, b);
    multiply<Halves>(a, words, 1, b, width, out, width, rows, width, words);
}

// Gradients of a product, for one run; grad_x is not computed if it is null.
void product_backward(const float* __restrict grad, const float* __restrict x, const float* __restrict weight, float* __restrict grad_x, float* __restrict grad_weight, long rows, long inputs, long width, bool halves) {
    if (!halves) {
        multiply<Single>(x, 1, inputs, grad, width, grad_weight, width, inputs, width, rows);
        if (!grad_x) return;
        float* turned = scratch<float>(2, inputs * width);
        transpose(weight, inputs, width, turned);
        return multiply<Single>(grad, width, 1, turned, inputs, grad_x, inputs, rows, inputs, width);
    }
    const long pairs = (rows + 1) / 2, words = (width + 1) / 2;
    uint32_t *a = scratch<uint32_t>(2, std::max(pairs * inputs, rows * words)), *b = scratch<uint32_t>(3, std::max(pairs * width, inputs * words));
    pair_rows(x, rows, inputs, a);
    pair_rows(grad, rows, width, b);
    multiply<Halves>(a, 1, inputs, b, width, grad_weight, width, inputs, width, pairs);
    if (!grad_x) return;
    uint32_t* turned = scratch<uint32_t>(4, inputs * words);
    pair_columns(grad, rows, width, a);
    pair_columns(weight, inputs, width, b);
    transpose(b, inputs, words, turned);
    multiply<Halves>(a, words, 1, turned, inputs, grad_x, inputs, rows, inputs, words);
}

// ---- Numbers -----------------------------------------------------------------------------------------------------------------

// exp(x) for x up to about 88, accurate to 2 units in the last place. Below -87 it is 0, so that a row whose terms all vanish has no finite
// loss.
inline Vector exponential(Vector given) {
    const Vector x = given < splat(-87.0f) ? splat(-87.0f) : given;
    const Vector magic = splat(12582912.0f);
    const Vector whole = (x * 1.44269504f + magic) - magic;
    const Vector rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    Vector sum = rest * (1.0f / 5040) + 1.0f / 720;
    sum = sum * rest + 1.0f / 120;
    sum = sum * rest + 1.0f / 24;
    sum = sum * rest + 1.0f / 6;
    sum = sum * rest + 0.5f;
    sum = sum * rest + 1.0f;
    sum = sum * rest + 1.0f;
    const Vector found = reinterpret_cast<Vector>(reinterpret_cast<Integers>(sum) + (__builtin_convertvector(whole, Integers) << 23));
    return given < splat(-87.0f) ? Vector{} : found;
}

constexpr uint64_t GAMMA = 0x9E3779B97F4A7C15u;

// SplitMix64's finaliser (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195).
inline uint64_t mix(uint64_t word) {
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

// Count the ones in each 16-bit lane of a word.
inline uint64_t lane_ones(uint64_t word) {
    word -= (word >> 1) & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return (word & 0x00FF00FF00FF00FFu) + ((word >> 8) & 0x00FF00FF00FF00FFu);
}

}  // namespace

extern "C" {

// 1 if the processor has instructions for bfloat16 products, 0 if they are computed in single precision.
int multiplies_halves() {
#if defined(__AVX512BF16__) && defined(__AVX512F__)
    return 1;
#else
    return 0;
#endif
}

// out = x @ weight + bias: x (run, row, in), weight (run, in, width), bias (run, width).
void affine(const float* __restrict x, const float* __restrict weight, const float* __restrict bias, float* __restrict out, long runs, long rows, long inputs, long width, long halves) {
    for (long run = 0; run < runs; ++run, x += rows * inputs, weight += inputs * width, bias += width, out += rows * width) {
        product(x, weight, out, rows, inputs, width, halves);
        for (long i = 0; i < rows; ++i)
            for (long j = 0; j < width; ++j) out[i * width + j] += bias[j];
    }
}

void affine_backward(const float* __restrict grad, const float* __restrict x, const float* __restrict weight, float* __restrict grad_x, float* __restrict grad_weight, float* __restrict grad_bias, long runs, long rows, long inputs, long width, long halves) {
    for (long run = 0; run < runs; ++run) {
        product_backward(grad, x, weight, grad_x, grad_weight, rows, inputs, width, halves);
        std::fill_n(grad_bias, width, 0.0f);
        for (long i = 0; i < rows; ++i)
            for (long j = 0; j < width; ++j) grad_bias[j] += grad[i * width + j];
        grad += rows * width, x += rows * inputs, weight += inputs * width, grad_weight += inputs * width, grad_bias += width;
        if (grad_x) grad_x += rows * inputs;
    }
}

// Linear map, batch norm over the rows of each run, ReLU. The normalised rows and the inverse standard deviations (run, width) are kept for
// the gradients.
void normed_relu(const float* __restrict x, const float* __restrict weight, const float* __restrict scale, const float* __restrict shift, float* __restrict normed, float* __restrict inverse, float* __restrict out, long runs, long rows, long inputs, long width, float epsilon, long halves) {
    float* __restrict mean = scratch<float>(5, width);
    for (long run = 0; run < runs; ++run) {
        product(x, weight, normed, rows, inputs, width, halves);
        std::fill_n(mean, width, 0.0f);
        std::fill_n(inverse, width, 0.0f);
        for (long i = 0; i < rows; ++i)
            for (long j = 0; j < width; ++j) mean[j] += normed[i * width + j];
        for (long j = 0; j < width; ++j) mean[j] /= rows;
        for (long i = 0; i < rows; ++i)
            for (long j = 0; j < width; ++j) {
                const float centred = normed[i * width + j] - mean[j];
                inverse[j] += centred * centred;
            }
        for (long j = 0; j < width; ++j) inverse[j] = 1.0f / std::sqrt(inverse[j] / rows + epsilon);
        for (long i = 0; i < rows; ++i)
            for (long j = 0; j < width; ++j) {
                const float value = (normed[i * width + j] - mean[j]) * inverse[j];
                const float mapped = value * scale[j] + shift[j];
                normed[i * width + j] = value;
                out[i * width + j] = mapped < 0 ? 0 : mapped;
            }
        x += rows * inputs, weight += inputs * width, scale += width, shift += width;
        normed += rows * width, inverse += width, out += rows * width;
    }
}

void normed_relu_backward(const float* __restrict grad_out, const float* __restrict x, const float* __restrict weight, const float* __restrict scale, const float* __restrict normed, const float* __restrict inverse, const float* __restrict out, float* __restrict grad_x, float* __restrict grad_weight, float* __restrict grad_scale, float* __restrict grad_shift, long runs, long rows, long inputs, long width, long halves) {
    float* __restrict grad = scratch<float>(5, rows * width);
    float *__restrict factor = scratch<float>(6, width), *__restrict from_shift = scratch<float>(7, 2 * width), *__restrict from_scale = from_shift + width;
    for (long run = 0; run < runs; ++run) {
        std::fill_n(grad_scale, width, 0.0f);
        std::fill_n(grad_shift, width, 0.0f);
        for (long i = 0; i < rows; ++i)
            for (long j = 0; j < width; ++j) {
                const long at = i * width + j;
                const float passed = out[at] > 0 ? grad_out[at] : 0;
                grad[at] = passed;
                grad_shift[j] += passed;
                grad_scale[j] += passed * normed[at];
            }
        for (long j = 0; j < width; ++j) {
            factor[j] = scale[j] * inverse[j];
            from_shift[j] = grad_shift[j] / rows;
            from_scale[j] = grad_scale[j] / rows;
        }
        for (long i = 0; i < rows; ++i)
            for (long j = 0; j < width; ++j) {
                const long at = i * width + j;
                grad[at] = (grad[at] - from_shift[j] - normed[at] * from_scale[j]) * factor[j];
            }
        product_backward(grad, x, weight, grad_x, grad_weight, rows, inputs, width, halves);
        grad_out += rows * width, x += rows * inputs, weight += inputs * width, scale += width, normed += rows * width;
        inverse += width, out += rows * width, grad_weight += inputs * width, grad_scale += width, grad_shift += width;
        if (grad_x) grad_x += rows * inputs;
    }
}

// NT-Xent loss (Chen et al. 2020, Eq. 1) of unit vectors z (run, row, width), all first views before all second views; loss (run,), and its
// gradient.
void contrast(const float* __restrict z, float temperature, float* __restrict loss, float* __restrict grad, long runs, long rows, long width, long halves) {
    const long padded = (rows + LANES - 1) / LANES * LANES, words = (width + 1) / 2;
    float *weights = scratch<float>(5, rows * padded), *turned = scratch<float>(6, (rows + width) * width + 2 * padded);
    float* share = turned + (rows + width) * width;
    const float inverse = 1.0f / temperature, last = 1.0f / (temperature * rows);
    for (long run = 0; run < runs; ++run, z += rows * width, grad += rows * width) {
        if (halves) {
            uint32_t *a = scratch<uint32_t>(2, rows * words), *b = scratch<uint32_t>(3, rows * words);
            pair_columns(z, rows, width, a);
            transpose(a, rows, words, b);
            multiply<Halves>(a, words, 1, b, rows, weights, padded, rows, rows, words);
        } else {
            transpose(z, rows, width, turned);
            multiply<Single>(z, width, 1, turned, rows, weights, padded, rows, rows, width);
        }
        double total_loss = 0;
        for (long i = 0; i < rows; ++i) {
            float* row = weights + i * padded;
            const long partner = (i + rows / 2) % rows;
            const float positive = (row[partner] - 1.0f) * inverse;
            Vector sum{};
            for (long j = 0; j < padded; j += LANES) store(row + j, exponential((load(row + j) - 1.0f) * inverse));
            row[i] = 0;
            std::fill(row + rows, row + padded, 0.0f);
            for (long j = 0; j < padded; j += LANES) sum += load(row + j);
            float total = 0;
            for (int lane = 0; lane < LANES; ++lane) total += sum[lane];
            share[i] = 1.0f / total;
            total_loss += std::log(total) - positive;
        }
        std::fill(share + rows, share + padded, 0.0f);
        loss[run] = static_cast<float>(total_loss / rows);
        for (long i = 0; i < rows; ++i) {
            float* row = weights + i * padded;
            const float own = share[i];
            for (long j = 0; j < padded; ++j) row[j] *= own + share[j];
        }
        if (halves) {
            const long pairs = (rows + 1) / 2;
            uint32_t *a = scratch<uint32_t>(2, rows * (padded / 2)), *b = scratch<uint32_t>(3, pairs * width);
            pair_columns(weights, rows, padded, a);
            pair_rows(z, rows, width, b);
            multiply<Halves>(a, padded / 2, 1, b, width, grad, width, rows, width, pairs);
        } else {
            multiply<Single>(weights, padded, 1, z, width, grad, width, rows, width, rows);
        }
        for (long i = 0; i < rows; ++i) {
            const float* __restrict partner = z + (i + rows / 2) % rows * width;
            for (long j = 0; j < width; ++j) grad[i * width + j] = (grad[i * width + j] - 2 * partner[j]) * last;
        }
    }
}

// One binomial half, Bin(x, 1/2), of every count x in the given bins: packed counts ones (chunk, time, word), start (run,), bins (run, row);
// half (run, row, unit). The bin selects the random bits. The result equals `fair_halves` in augmentations/counts.py, bit for bit.
void fair_halves(const int64_t* ones, long chunks, long times, long words, const int64_t* start, const int64_t* bins, int16_t* half, long runs, long rows, long units) {
    uint64_t* lanes = scratch<uint64_t>(5, words);
    for (long run = 0; run < runs; ++run)
        for (long row = 0; row < rows; ++row, ++bins, half += units) {
            const uint64_t first = static_cast<uint64_t>(*bins) * (words * chunks);
            std::fill_n(lanes, words, 0);
            for (long chunk = 0; chunk < chunks; ++chunk) {
                const uint64_t* own = reinterpret_cast<const uint64_t*>(ones) + (chunk * times + *bins) * words;
                const uint64_t counter = first + chunk * words + 1;
                for (long i = 0; i < words; ++i) lanes[i] += lane_ones(mix((counter + i) * GAMMA + static_cast<uint64_t>(start[run])) & own[i]);
            }
            std::memcpy(half, lanes, units * sizeof(int16_t));
        }
}

// Silence the units that are lost, in place: values (run, row, time, unit), int16; start (run,), address of each row's random numbers
// (run, row), threshold (run, row or 1). A unit is lost if its 16-bit random number is below the threshold, as for `DropUnits` in
// augmentations/population.py.
void lose_units(int16_t* values, const int64_t* start, const int64_t* address, const int16_t* threshold, long per_row, long runs, long rows, long times, long units) {
    const long words = (units + 3) / 4;
    uint64_t* numbers = scratch<uint64_t>(5, words);
    for (long run = 0; run < runs; ++run)
        for (long row = 0; row < rows; ++row, ++address) {
            const int16_t limit = threshold[per_row ? run * rows + row : run];
            const uint64_t counter = static_cast<uint64_t>(*address) * words + 1;
            for (long i = 0; i < words; ++i) numbers[i] = mix((counter + i) * GAMMA + static_cast<uint64_t>(start[run]));
            const int16_t* own = reinterpret_cast<const int16_t*>(numbers);
            for (long time = 0; time < times; ++time, values += units)
                for (long unit = 0; unit < units; ++unit) values[unit] = own[unit] < limit ? 0 : values[unit];
        }
}

// (values * scale - mean) * inverse_sd: values (run, row, unit), int16; mean and inverse_sd (run, unit).
void standardise(const int16_t* values, float scale, const float* __restrict mean, const float* __restrict inverse_sd, float* __restrict out, long runs, long rows, long units) {
    for (long run = 0; run < runs; ++run, mean += units, inverse_sd += units)
        for (long row = 0; row < rows; ++row, values += units, out += units)
            for (long unit = 0; unit < units; ++unit) out[unit] = (values[unit] * scale - mean[unit]) * inverse_sd[unit];
}

}  // extern "C"
