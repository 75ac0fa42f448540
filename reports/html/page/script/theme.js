// Runs before anything is painted, so that a dark page never flashes white. The choice is stored if the browser allows it.
(() => {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  let chosen = null;
  try { chosen = localStorage.getItem('zoometer-theme'); } catch { /* storage refused: follow the system */ }

  function apply() {
    const dark = chosen ? chosen === 'dark' : system.matches;
    root.classList.toggle('dark', dark);
    root.dispatchEvent(new Event('themechange'));
  }

  system.addEventListener('change', apply);
  document.addEventListener('DOMContentLoaded', () => document.getElementById('theme').addEventListener('click', () => {
    chosen = root.classList.contains('dark') ? 'light' : 'dark';
    try { localStorage.setItem('zoometer-theme', chosen); } catch { /* kept for this visit only */ }
    apply();
  }));
  apply();
})();
