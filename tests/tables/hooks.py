"""Openings as people make them, by kind, in 16 languages; and sentences that open nothing."""

QUESTIONS = {
    "en": ["What happens if you never sleep?", "did you know that honey never spoils", "how do you clean this"],
    "de": ["Wusstest du das schon?", "was passiert wenn man nie schläft", "wie viele Eier isst du am Tag"],
    "fr": ["Pourquoi le ciel est bleu ?", "comment faire une pâte parfaite", "est-ce que tu savais ça"],
    "es": ["¿Sabías que la miel no caduca?", "cómo hacer pan en casa", "por qué nadie lo dice"],
    "pt": ["Você sabia disso?", "o que acontece se você não dormir", "como fazer pão em casa"],
    "it": ["Perché il cielo è blu?", "come fare la pizza in casa", "lo sapevi che il miele non scade"],
    "tr": ["Bunu biliyor muydun?", "nasıl ekmek yapılır", "neden gökyüzü mavi"],
    "pl": ["Czy wiesz, dlaczego niebo jest niebieskie?", "jak zrobić chleb w domu", "dlaczego to jest ważne"],
    "ru": ["Почему небо голубое?", "как приготовить хлеб дома", "сколько стоит моя одежда"],
    "ar": ["هل تعلم أن العسل لا يفسد؟", "كيف تصنع الخبز في البيت", "لماذا السماء زرقاء"],
    "hi": ["क्या आप जानते हैं?", "कैसे बनाएं रोटी", "आसमान नीला क्यों है"],
    "id": ["Apakah kamu tahu ini?", "kenapa langit berwarna biru", "bagaimana cara membuat roti"],
    "vi": ["Bạn có biết điều này không?", "tại sao bầu trời màu xanh", "làm thế nào để làm bánh"],
    "ja": ["これ知ってますか？", "なぜ空は青いのか", "どうやって作るの"],
    "ko": ["이거 알고 계셨나요?", "왜 하늘은 파랄까", "어떻게 만들어요"],
    "zh": ["你知道吗？", "为什么天空是蓝色的", "怎么做面包"],
}
KINDS = {
    "number_list": [
        "5 things you should never buy", "Top 10 cities in Europe", "three tips for better sleep", "3つの簡単レシピ",
        "7 Tipps für mehr Energie", "5 razones para viajar", "10 фактов о космосе",
    ],
    "curiosity_gap": [
        "WAIT FOR IT", "you won't believe what he did", "nobody tells you this", "the secret of my grandmother",
        "warte mal ab", "attends la fin", "no lo vas a creer", "не поверишь", "衝撃の結末", "想不到吧",
    ],
    "direct_address": [
        "If you have a dog, watch this", "POV: you are late again", "you need to hear this", "wenn du Hunde liebst",
        "si tu aimes le chocolat", "si tienes un perro", "если у тебя есть кот", "如果你喜欢猫",
    ],
    "problem": [
        "struggling with acne", "tired of slow mornings", "the biggest mistake I made", "Probleme mit dem Einschlafen",
        "cansada de limpiar", "проблема с кожей",
    ],
    "negative_command": [
        "Stop buying plastic bottles", "Don't throw this away", "never wash your hair like this", "hör auf zu scrollen",
        "arrête de jeter ça", "no compres esto", "не выбрасывай это", "千万别买这个", "捨てないで",
    ],
    "claim_result": [
        "How I lost 10 kilos", "I made this in 5 minutes", "this changed my life", "wie ich 1000 Euro gespart habe",
        "en 30 jours", "perdí 10 kilos", "за 5 минут", "たった3日で",
    ],
}  # fmt: skip
NOTHING = [
    "the river at sunset", "my cat on the sofa", "Sonntag am See", "une journée à la mer", "un paseo por la playa",
    "morning light", "coffee and rain", "2024", "Berlin", "la plage",
]  # fmt: skip
