// Results that are made once: of each argument, the first result is kept.

export function remember(make) {
  const results = new Map();
  return (argument) => {
    if (!results.has(argument)) results.set(argument, make(argument));
    return results.get(argument);
  };
}
