/* What runs the layers above: integer convolutions and additions between a float stem and head.
 *
 * Grids are uint8, a place's channels side by side. Every layer gives one place after another
 * through `put`, which is why a layer may write over what it has already read. */

static uint8_t arena[ARENA];
static int32_t sums[FEATURES];    /* over all places of the last grid, from which its mean follows */
static int32_t wide[WIDEST];      /* one place's accumulators */
static uint8_t place[WIDEST];     /* one place's outputs */
static float window[STEM_KERNEL][MODEL_CHANNELS][MODEL_SIZE]; /* the rows of the map that the stem is at */

typedef void (*row_source)(const void *from, int rows, int columns, int y, float row[MODEL_CHANNELS][MODEL_SIZE]);

static void put(const struct layer *layer, int at)
{
    int i;
    if (layer->out < 0) {
        for (i = 0; i < layer->outputs; i++)
            sums[i % FEATURES] += place[i];
    } else {
        memcpy(arena + layer->out + (size_t)at * layer->outputs, place, layer->outputs);
    }
}

static uint8_t clamped(int32_t value, const struct layer *layer)
{
    value += layer->zero;
    return (uint8_t)(value < layer->low ? layer->low : value > 255 ? 255 : value);
}

/* value / 2^shift, rounded to the nearest; a shift of a negative number is not the same everywhere. */
static int32_t scaled(int64_t value, int shift)
{
    const int64_t half = (int64_t)1 << (shift - 1);
    return value < 0 ? -(int32_t)((half - value) >> shift) : (int32_t)((value + half) >> shift);
}

static void requantise(const struct layer *layer, int at)
{
    int i, o;
    for (i = 0; i < layer->outputs; i += layer->own)
        for (o = 0; o < layer->own; o++)
            place[i + o] = clamped(scaled((int64_t)wide[i + o] * layer->multiplier[o], layer->shift[o]), layer);
    put(layer, at);
}

/* The taps of a kernel at `center` that lie on the grid: from `*first` up to, not including, the result. */
static int taps(const struct layer *layer, int center, int side, int *first)
{
    const int start = center * layer->stride - layer->pad;
    *first = start < 0 ? -start : 0;
    return start + layer->kernel > side ? side - start : layer->kernel;
}

/* Four outputs at a time, so that an input is fetched once for four weights; their number is padded to fours. */
static void convolve(const struct layer *layer)
{
    const int side = layer->side, inputs = layer->inputs, kernel = layer->kernel;
    const int apart = kernel * kernel * inputs; /* weights of one output */
    int y, x, o, k, i;
    for (y = 0; y < layer->out_side; y++) {
        for (x = 0; x < layer->out_side; x++) {
            int top, left;
            const int bottom = taps(layer, y, side, &top), right = taps(layer, x, side, &left);
            const int span = (right - left) * inputs;
            const int32_t corner = layer->in
                + ((y * layer->stride - layer->pad) * side + x * layer->stride - layer->pad + left) * inputs;
            for (o = 0; o < layer->outputs; o += 4) {
                const int32_t *const bias = layer->bias + o;
                int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
                for (k = top; k < bottom; k++) {
                    const uint8_t *const in = arena + corner + k * side * inputs;
                    const int8_t *const w = layer->weights + o * apart + (k * kernel + left) * inputs;
                    for (i = 0; i < span; i++) {
                        const int32_t value = in[i];
                        sum0 += value * w[i];
                        sum1 += value * w[i + apart];
                        sum2 += value * w[i + 2 * apart];
                        sum3 += value * w[i + 3 * apart];
                    }
                }
                wide[o] = sum0;
                wide[o + 1] = sum1;
                wide[o + 2] = sum2;
                wide[o + 3] = sum3;
            }
            requantise(layer, y * layer->out_side + x);
        }
    }
}

#ifdef TURNS
/* The same where outputs are the turns of `own` ones: each turn of a kernel reads the first one's weights elsewhere. */
static void convolve_turned(const struct layer *layer)
{
    const int side = layer->side, kernel = layer->kernel, cells = kernel * kernel;
    const int inputs = layer->inputs / TURNS; /* of one turn */
    const int apart = TURNS * cells * inputs; /* weights of one output */
    int y, x, turn, read, o, k, l, i;
    for (y = 0; y < layer->out_side; y++) {
        for (x = 0; x < layer->out_side; x++) {
            int top, left;
            const int bottom = taps(layer, y, side, &top), right = taps(layer, x, side, &left);
            const int32_t corner = layer->in
                + ((y * layer->stride - layer->pad) * side + x * layer->stride - layer->pad) * layer->inputs;
            for (turn = 0; turn < TURNS; turn++) {
                const uint16_t *const where = layer->where + turn * TURNS * cells;
                for (o = 0; o < layer->own; o += 4) {
                    const int32_t *const bias = layer->bias + o;
                    int32_t *const sum = wide + turn * layer->own + o;
                    int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
                    for (k = top; k < bottom; k++) {
                        for (l = left; l < right; l++) {
                            const uint8_t *in = arena + corner + (k * side + l) * layer->inputs;
                            for (read = 0; read < TURNS; read++, in += inputs) {
                                const int8_t *const w = layer->weights + o * apart
                                    + where[read * cells + k * kernel + l] * inputs;
                                for (i = 0; i < inputs; i++) {
                                    const int32_t value = in[i];
                                    sum0 += value * w[i];
                                    sum1 += value * w[i + apart];
                                    sum2 += value * w[i + 2 * apart];
                                    sum3 += value * w[i + 3 * apart];
                                }
                            }
                        }
                    }
                    /* Up to three too many, which the next turn writes over; `wide` has room for the last one's. */
                    sum[0] = sum0;
                    sum[1] = sum1;
                    sum[2] = sum2;
                    sum[3] = sum3;
                }
            }
            requantise(layer, y * layer->out_side + x);
        }
    }
}
#endif

static void convolve_depthwise(const struct layer *layer)
{
    const uint8_t *const in = arena + layer->in;
    const int side = layer->side, channels = layer->outputs, own = layer->own, cells = layer->kernel * layer->kernel;
    int y, x, k, l, i, o;
    for (y = 0; y < layer->out_side; y++) {
        for (x = 0; x < layer->out_side; x++) {
            int top, left;
            const int bottom = taps(layer, y, side, &top), right = taps(layer, x, side, &left);
            for (i = 0; i < channels; i += own)
                memcpy(wide + i, layer->bias, own * sizeof *wide);
            for (k = top; k < bottom; k++) {
                for (l = left; l < right; l++) {
                    const uint8_t *const a = in + (((y * layer->stride - layer->pad + k) * side)
                                                   + x * layer->stride - layer->pad + l) * channels;
                    int cell = k * layer->kernel + l;
                    for (i = 0; i < channels; i += own, cell += cells) {
                        const int8_t *const w = layer->weights + (layer->where ? layer->where[cell] : cell) * own;
                        for (o = 0; o < own; o++)
                            wide[i + o] += a[i + o] * w[o];
                    }
                }
            }
            requantise(layer, y * layer->out_side + x);
        }
    }
}

static void add(const struct layer *layer)
{
    const uint8_t *a = arena + layer->in, *b = arena + layer->other;
    const int places = layer->out_side * layer->out_side;
    int at, i;
    for (at = 0; at < places; at++, a += layer->outputs, b += layer->outputs) {
        for (i = 0; i < layer->outputs; i++) {
            const int64_t sum = (int64_t)(a[i] - layer->bias[0]) * layer->multiplier[0]
                                + (int64_t)(b[i] - layer->bias[1]) * layer->multiplier[1];
            place[i] = clamped(scaled(sum, layer->shift[0]), layer);
        }
        put(layer, at);
    }
}

/* The first convolution, in float: its inputs are areas, its outputs the first grid. */
static void convolve_map(row_source source, const void *from, int rows, int columns)
{
    const struct layer *const layer = &layers[0];
    int y, x, o, c, k, l, ready = 0;
    for (y = 0; y < layer->out_side; y++) {
        int top;
        const int bottom = taps(layer, y, MODEL_SIZE, &top), start = y * layer->stride - layer->pad;
        for (; ready < start + bottom; ready++)
            source(from, rows, columns, ready, window[ready % STEM_KERNEL]);
        for (x = 0; x < layer->out_side; x++) {
            int left;
            const int right = taps(layer, x, MODEL_SIZE, &left);
            for (o = 0; o < layer->outputs; o++) {
                float sum = stem_bias[o];
                int32_t step;
                for (c = 0; c < MODEL_CHANNELS; c++)
                    for (k = top; k < bottom; k++)
                        for (l = left; l < right; l++)
                            sum += stem_weights[((o * MODEL_CHANNELS + c) * STEM_KERNEL + k) * STEM_KERNEL + l]
                                   * window[(start + k) % STEM_KERNEL][c][x * layer->stride - layer->pad + l];
                sum /= STEM_SCALE;
                step = sum < -255.0f ? -255 : sum > 255.0f ? 255 : (int32_t)(sum < 0 ? sum - 0.5f : sum + 0.5f);
                place[o] = clamped(step, layer);
            }
            put(layer, y * layer->out_side + x);
        }
    }
}

static void decode(struct model_answer *answer)
{
    float above[MODEL_PATTERNS], best = 0.0f, second = 0.0f;
    int s, p;
    for (p = 0; p < MODEL_PATTERNS; p++)
        above[p] = answer->logits[p] - cuts[p];
    for (s = 0; s < SETS; s++) {
        float worth = 0.0f;
        for (p = 0; p < MODEL_PATTERNS; p++)
            if (sets[s] >> p & 1)
                worth += above[p];
        if (s == 0 || worth > best) {
            second = s ? best : worth;
            best = worth;
            answer->detected = sets[s];
        } else if (s == 1 || worth > second) {
            second = worth;
        }
    }
    answer->excluded = 0;
    for (p = 0; p < MODEL_PATTERNS; p++)
        if (above[p] > 0.0f && !(answer->detected >> p & 1))
            answer->excluded |= (uint8_t)(1u << p);
    answer->margin = best - second;
    answer->unsure = answer->margin < UNSURE_BELOW;
}

static void answer_rows(row_source source, const void *from, int rows, int columns, struct model_answer *answer)
{
    int i, p, f;
    memset(sums, 0, sizeof sums);
    convolve_map(source, from, rows, columns);
    for (i = 1; i < LAYERS; i++) {
        if (layers[i].kind == ADD)
            add(&layers[i]);
        else if (layers[i].kind == DEPTHWISE)
            convolve_depthwise(&layers[i]);
#ifdef TURNS
        else if (layers[i].kind == TURNED)
            convolve_turned(&layers[i]);
#endif
        else
            convolve(&layers[i]);
    }
    for (p = 0; p < MODEL_PATTERNS; p++) {
        float logit = head_bias[p];
        for (f = 0; f < FEATURES; f++)
            logit += head_weights[p * FEATURES + f] * (FEATURE_SCALE * ((float)sums[f] / PLACES - FEATURE_ZERO));
        answer->logits[p] = logit;
    }
    decode(answer);
}

static void float_row(const void *from, int rows, int columns, int y, float row[MODEL_CHANNELS][MODEL_SIZE])
{
    const float *const map = from;
    int c;
    for (c = 0; c < MODEL_CHANNELS; c++)
        memcpy(row[c], map + (c * rows + y) * columns, sizeof row[c]);
}

static void byte_row(const void *from, int rows, int columns, int y, float row[MODEL_CHANNELS][MODEL_SIZE])
{
    const uint8_t *const map = from;
    int c, x;
    for (c = 0; c < MODEL_CHANNELS; c++)
        for (x = 0; x < MODEL_SIZE; x++)
            row[c][x] = (float)map[(c * rows + y) * columns + x] / 255.0f;
}

/* How much of map cell `target` lies on cell `cell` of `cells`, in MODEL_SIZEths of a cell: a whole number. */
static int32_t overlap(int target, int cell, int cells)
{
    const int32_t low = (int32_t)target * cells, high = low + cells;
    const int32_t start = (int32_t)cell * MODEL_SIZE, end = start + MODEL_SIZE;
    return (high < end ? high : end) - (low > start ? low : start);
}

/* One row of the canonical map of die states: areas are whole numbers until the one division. */
static void states_row(const void *from, int rows, int columns, int y, float row[MODEL_CHANNELS][MODEL_SIZE])
{
    const uint8_t *const states = from;
    const int32_t top = (int32_t)y * rows / MODEL_SIZE, bottom = ((int32_t)(y + 1) * rows - 1) / MODEL_SIZE;
    int x;
    for (x = 0; x < MODEL_SIZE; x++) {
        const int32_t left = (int32_t)x * columns / MODEL_SIZE, right = ((int32_t)(x + 1) * columns - 1) / MODEL_SIZE;
        int32_t r, c, passing = 0, failing = 0;
        for (r = top; r <= bottom; r++) {
            for (c = left; c <= right; c++) {
                const int32_t area = overlap(y, r, rows) * overlap(x, c, columns);
                const uint8_t state = states[r * columns + c];
                passing += state == MODEL_PASS ? area : 0;
                failing += state == MODEL_FAIL ? area : 0;
            }
        }
        row[0][x] = (float)passing / ((float)rows * (float)columns);
        row[1][x] = (float)failing / ((float)rows * (float)columns);
    }
}

int model_states(const uint8_t *states, int rows, int columns, struct model_answer *answer)
{
    int32_t i;
    if (rows < 1 || columns < 1 || rows > MODEL_MOST_SIDE || columns > MODEL_MOST_SIDE)
        return 0;
    for (i = 0; i < (int32_t)rows * columns; i++)
        if (states[i] == MODEL_PASS || states[i] == MODEL_FAIL)
            break;
    if (i == (int32_t)rows * columns)
        return 0;
    answer_rows(states_row, states, rows, columns, answer);
    return 1;
}

void model_map(const float *map, struct model_answer *answer)
{
    answer_rows(float_row, map, MODEL_SIZE, MODEL_SIZE, answer);
}

void model_map_255(const uint8_t *map, struct model_answer *answer)
{
    answer_rows(byte_row, map, MODEL_SIZE, MODEL_SIZE, answer);
}
