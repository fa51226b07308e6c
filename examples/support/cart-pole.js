/** The cart-pole of Barto, Sutton and Anderson (1983), with the sizes that Gym gives it. */

/** The state 0.02 s after a push to the right (action 1) or left (0); undefined where the pole has fallen. */
export function move([x, speed, angle, turn], action) {
  const force = (action === 1 ? 10 : -10) + 0.05 * turn ** 2 * Math.sin(angle);
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const turning = (9.8 * sin - (cos * force) / 1.1) / (0.5 * (4 / 3 - (0.1 * cos ** 2) / 1.1));
  const pushing = (force - 0.05 * turning * cos) / 1.1;
  const next = [x + 0.02 * speed, speed + 0.02 * pushing, angle + 0.02 * turn, turn + 0.02 * turning];
  return Math.abs(next[0]) > 2.4 || Math.abs(next[2]) > 0.2095 ? undefined : next;
}
