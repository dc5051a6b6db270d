int main(void)
{
    static uint8_t states[MOST_DIES];
    int v, p, r, c, others = 0;
    for (v = 0; v < VECTORS; v++) {
        const struct vector *const vector = &vectors[v];
        struct model_answer answer;
        float furthest = 0.0f;
        int same;
        for (r = 0; r < vector->rows; r++)
            for (c = 0; c < vector->columns; c++)
                states[r * vector->columns + c] = (uint8_t)(vector->states[r][c] - '0');
        same = model_states(states, vector->rows, vector->columns, &answer) && answer.detected == vector->detected;
        for (p = 0; p < MODEL_PATTERNS; p++) {
            const float apart = answer.logits[p] - vector->logits[p];
            if (apart > furthest || -apart > furthest)
                furthest = apart < 0 ? -apart : apart;
        }
        same = same && furthest <= TOLERANCE;
        others += !same;
        printf("%s:", vector->name);
        for (p = 0; p < MODEL_PATTERNS; p++)
            if (answer.detected >> p & 1)
                printf(" %s", model_patterns[p]);
        printf("%s, logits within %.5f%s\n", answer.detected ? "" : " Normal", furthest, same ? "" : ", NOT AS EXPECTED");
    }
    printf("%d of %d test vectors answered as expected.\n", VECTORS - others, VECTORS);
    return others;
}
